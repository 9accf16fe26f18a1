// Batch norm, forward 1 of 3: mean and centred squares of every channel over a chunk of pixels.
//
//   mean[k, c] = sum_p x[p, c] / n        M2[k, c] = sum_p (x[p, c] - mean[k, c])^2
//
// over the n pixels p of chunk k. The deviations are summed too: they would be 0 but for the
// rounding of the mean, so their sum corrects both results.
//
// Grid:    one workgroup per chunk and block of channel groups.
// Twin:    src/kernels/norm/statistics.rs
// Source:  Chan, Golub, LeVeque, "Algorithms for Computing the Sample Variance", 1983: corrected
//          two-pass algorithm.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // [N, H, W, C]
@group(0) @binding(2) var<storage, read_write> partial: array<vec4<f32>>; // [chunks, 2, C]

override WG_SIZE: u32 = 64u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let c4s = (params.c + 3u) / 4u;
    let index = group_index(group, groups);
    let k = chunk_of(index, lane, params.pixels, c4s, params.chunk, params.block);
    let n = f32(max(k.pixels, 1u));

    var sum = vec4<f32>(0.0);
    for (var p = k.first; p < k.end; p += k.step) {
        sum += x[p * c4s + k.c4];
    }
    let mean = sum_over_lanes(sum, lane, params.block) / n;

    var deviations = vec4<f32>(0.0);
    var squares = vec4<f32>(0.0);
    for (var p = k.first; p < k.end; p += k.step) {
        let d = x[p * c4s + k.c4] - mean;
        deviations += d;
        squares += d * d;
    }
    deviations = sum_over_lanes(deviations, lane, params.block);
    squares = sum_over_lanes(squares, lane, params.block);

    if k.writes {
        let at = 2u * k.index * c4s + k.c4;
        // A mean that is not finite needs no correction; its deviations are NaN or infinite.
        let corrected = choose(mean, mean + deviations / n, is_finite(mean));
        partial[at] = mask_lanes(corrected, k.c4, params.c);
        // Rounding must not make M2 negative: a constant channel has M2 = 0.
        let m2 = relu(squares - deviations * deviations / n);
        partial[at + c4s] = mask_lanes(m2, k.c4, params.c);
    }
}
