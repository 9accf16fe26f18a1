// Drops values at random; the same dispatch on gradients drops the same ones.
//
//   y[i] = x[i] * (draw_i < threshold ? 0 : scale),  scale = 1 / (1 - p)
//
// Dropping multiplies by 0, as in PyTorch: a dropped NaN or infinity becomes NaN.
//
// The draw of value j (in [N, H, W, C] without padding, over the whole batch) is word j % 4 of
// Philox4x32-10 with the step's seed as key and the counter (j / 4, layer, 0, "drop").
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/dropout.rs
// Source:  Srivastava et al., JMLR 15, 2014, scaled in training as torch.nn.Dropout does.

struct DropoutParams {
    vec4s: u32,     // groups of four channels
    c: u32,         // channels without padding
    first: u32,     // index in the whole batch of the first value here
    layer: u32,     // index of the dropout layer in its network
    threshold: u32, // p 2^32
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: DropoutParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> seed: array<vec2<u32>>;    // [1] lo, hi
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // like x

fn keeps(j: u32) -> bool {
    let draw = philox4x32_10(vec4<u32>(j / 4u, params.layer, 0u, 0x64726f70u), seed[0]);
    return draw[j % 4u] >= params.threshold;
}

fn items() -> u32 {
    return params.vec4s;
}

fn each(i: u32) {
    let c4s = (params.c + 3u) / 4u;
    let j = params.first + i / c4s * params.c + i % c4s * 4u;
    let keep = vec4<bool>(keeps(j), keeps(j + 1u), keeps(j + 2u), keeps(j + 3u));
    let factor = select(vec4<f32>(0.0), vec4<f32>(params.scale), keep);
    y[i] = mask_lanes(x[i] * factor, i % c4s, params.c);
}
