// Batch norm, forward 3 of 3: normalise, scale and shift, activate.
//
//   y = act((x - mean) inv_std gamma + beta)
//
// With RUNNING, row 1 of `stats` holds a variance and inv_std = 1 / sqrt(variance + eps):
// evaluation with running statistics.
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/norm/apply.rs
// Source:  torch.nn.BatchNorm2d

struct BatchNormApplyParams {
    vec4s: u32,        // N H W ceil(C / 4)
    c: u32,            // channels without padding
    gamma_offset: u32, // offset of gamma in `parameters`, in floats
    beta_offset: u32,  // offset of beta in `parameters`, in floats
    eps: f32,          // with RUNNING
}

@group(0) @binding(0) var<uniform> params: BatchNormApplyParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> stats: array<vec4<f32>>;   // [2, C]: mean, inv_std
@group(0) @binding(3) var<storage, read> parameters: array<f32>;    // flat
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

override RUNNING: bool = false;

fn items() -> u32 {
    return params.vec4s;
}

fn each(i: u32) {
    let c4s = (params.c + 3u) / 4u;
    let c4 = i % c4s;
    var inv_std = stats[c4s + c4];
    if RUNNING {
        inv_std = inverseSqrt(inv_std + params.eps);
    }
    let gamma = parameters4(params.gamma_offset, c4, params.c);
    let beta = parameters4(params.beta_offset, c4, params.c);
    let z = (x[i] - stats[c4]) * inv_std * gamma + beta;
    y[i] = mask_lanes(activate(z), c4, params.c);
}
