// Sums a weight gradient's partial results and writes the sum in PyTorch's order.
//
//   gradients[offset + i] (+)= sum_j partial[j, r, s, c, k]
//
// with i the index of (k, c, r, s), or of (c, k, r, s).
//
// Grid:    one invocation per weight.
// Twin:    src/kernels/conv/weight_gradient.rs
// Source:  the order of PyTorch's conv2d [K, C, R, S] and conv_transpose2d [C, K, R, S] weights.

struct WeightGradientParams {
    chunks: u32,
    r: u32,
    s: u32,
    c: u32,           // channels in (rows of partial), without padding
    k: u32,           // channels out (columns of partial), without padding
    row_major_c: u32, // 1: the order is [C, K, R, S], else [K, C, R, S]
    offset: u32,      // offset of the tensor in gradients
    accumulate: u32,  // 1: add to what is there, the sum of the parts of a batch before this one
}

@group(0) @binding(0) var<uniform> params: WeightGradientParams;
@group(0) @binding(1) var<storage, read> partial: array<f32>;         // [chunks, R, S, C, K] padded
@group(0) @binding(2) var<storage, read_write> gradients: array<f32>; // all parameters, flat

fn items() -> u32 {
    return params.r * params.s * params.c * params.k;
}

fn each(i: u32) {
    let taps = params.r * params.s;
    let tap = i % taps;
    let pair = i / taps;
    let inner = select(params.c, params.k, params.row_major_c == 1u);
    let c = select(pair % inner, pair / inner, params.row_major_c == 1u);
    let k = select(pair / inner, pair % inner, params.row_major_c == 1u);
    let rows = (params.c + 3u) / 4u * 4u;
    let columns = (params.k + 3u) / 4u * 4u;
    let at = (tap * rows + c) * columns + k;
    let step = taps * rows * columns;
    var sum = 0.0;
    var j = 0u;
    // Loads of a turn are under way together: one by one, each would wait for memory.
    for (; j + 4u <= params.chunks; j += 4u) {
        let first = j * step + at;
        let part0 = partial[first];
        let part1 = partial[first + step];
        let part2 = partial[first + 2u * step];
        let part3 = partial[first + 3u * step];
        sum = sum + part0 + part1 + part2 + part3;
    }
    for (; j < params.chunks; j++) {
        sum += partial[j * step + at];
    }
    if params.accumulate == 1u {
        sum += gradients[params.offset + i];
    }
    gradients[params.offset + i] = sum;
}
