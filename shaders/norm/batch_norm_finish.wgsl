// Batch norm, forward 2 of 3: merge the chunks of all parts of the batch into normalisers, and
// update the running statistics.
//
//   mean    = sum_k n_k mean_k / n
//   M2      = sum_k (M2_k + n_k (mean_k - mean)^2)
//   inv_std = 1 / sqrt(M2 / n + eps)
//   running_mean = (1 - momentum) running_mean + momentum mean
//   running_var  = (1 - momentum) running_var  + momentum M2 / (n - 1)
//
// Grid:    one workgroup per group of four channels.
// Twin:    src/kernels/norm/statistics.rs
// Source:  Chan, Golub, LeVeque, 1983 (the pairwise formula, for all chunks at once);
//          torch.nn.BatchNorm2d: biased variance to normalise, unbiased into running_var.

struct BatchNormFinishParams {
    pixels: u32,      // N H W, at least 2
    c: u32,           // channels without padding
    part: u32,        // pixels of a part of the batch; the last part may have fewer
    chunk: u32,       // pixels per chunk; the last of a part may have fewer
    part_chunks: u32, // chunks of a full part
    chunks: u32,
    eps: f32,
    momentum: f32,
}

@group(0) @binding(0) var<uniform> params: BatchNormFinishParams;
@group(0) @binding(1) var<storage, read> partial: array<vec4<f32>>;       // [chunks, 2, C]
@group(0) @binding(2) var<storage, read_write> running: array<vec4<f32>>; // [2, C]: mean, variance
@group(0) @binding(3) var<storage, read_write> stats: array<vec4<f32>>;   // [2, C]: mean, inv_std

override WG_SIZE: u32 = 64u;

// Pixels of chunk k.
fn pixels_of(k: u32) -> f32 {
    let part = k / params.part_chunks;
    let before = (k - part * params.part_chunks) * params.chunk;
    let here = min(params.part, params.pixels - part * params.part);
    return f32(min(params.chunk, here - before));
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let c4s = (params.c + 3u) / 4u;
    let c4 = group_index(group, groups);
    let n = f32(params.pixels);

    // Means are merged as differences from the first one, so that a large common offset cancels; if
    // that is not finite, as differences from 0, because a difference from it could be NaN.
    let first = choose(vec4<f32>(0.0), partial[c4], is_finite(partial[c4]));
    var sum = vec4<f32>(0.0);
    for (var k = lane; k < params.chunks; k += WG_SIZE) {
        let n_k = pixels_of(k);
        sum += n_k * (partial[2u * k * c4s + c4] - first);
    }
    let mean = first + sum_over_lanes(sum, lane, 1u) / n;

    var squares = vec4<f32>(0.0);
    for (var k = lane; k < params.chunks; k += WG_SIZE) {
        let n_k = pixels_of(k);
        let d = partial[2u * k * c4s + c4] - mean;
        squares += partial[(2u * k + 1u) * c4s + c4] + n_k * d * d;
    }
    let m2 = sum_over_lanes(squares, lane, 1u);

    if lane == 0u && c4 < c4s {
        stats[c4] = mask_lanes(mean, c4, params.c);
        stats[c4s + c4] = mask_lanes(inverseSqrt(m2 / n + params.eps), c4, params.c);
        let keep = 1.0 - params.momentum;
        let running_mean = keep * running[c4] + params.momentum * mean;
        let running_var = keep * running[c4s + c4] + params.momentum * m2 / (n - 1.0);
        running[c4] = mask_lanes(running_mean, c4, params.c);
        running[c4s + c4] = mask_lanes(running_var, c4, params.c);
    }
}
