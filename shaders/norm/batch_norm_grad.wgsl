// Batch norm, backward 3 of 3: gradient of the input, through the batch statistics.
//
//   dx = gamma inv_std (dz - sum dz / n - xhat sum dz xhat / n)
//
// with dz = dy act'(y), xhat = (x - mean) inv_std and sums over the n = N H W pixels.
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/norm/backward.rs
// Source:  Ioffe, Szegedy, arXiv:1502.03167, section 3

struct BatchNormGradParams {
    vec4s: u32,        // N H W ceil(C / 4)
    c: u32,            // channels without padding
    gamma_offset: u32, // offset of gamma in `parameters`, in floats
    pixels: u32,       // N H W
}

@group(0) @binding(0) var<uniform> params: BatchNormGradParams;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;        // [N, H, W, C]
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;        // [N, H, W, C]
@group(0) @binding(4) var<storage, read> stats: array<vec4<f32>>;    // [2, C]: mean, inv_std
@group(0) @binding(5) var<storage, read> sums: array<vec4<f32>>;     // [2, C]: dz, dz xhat
@group(0) @binding(6) var<storage, read> parameters: array<f32>;     // flat
@group(0) @binding(7) var<storage, read_write> dx: array<vec4<f32>>; // [N, H, W, C]

fn items() -> u32 {
    return params.vec4s;
}

fn each(i: u32) {
    let c4s = (params.c + 3u) / 4u;
    let c4 = i % c4s;
    let n = f32(params.pixels);
    let inv_std = stats[c4s + c4];
    let xhat = (x[i] - stats[c4]) * inv_std;
    let dz = activate_back(dy[i], y[i]);
    let centred = dz - sums[c4] / n - xhat * (sums[c4s + c4] / n);
    let gamma = parameters4(params.gamma_offset, c4, params.c);
    dx[i] = mask_lanes(gamma * inv_std * centred, c4, params.c);
}
