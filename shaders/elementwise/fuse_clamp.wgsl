// The protected input: image plus generated perturbation, kept in range.
//
//   y[i] = clamp(x[i] + g[i], -1, 1)
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/fuse_clamp.rs
// Source:  NeuralFuse, arXiv:2306.16869, section 3 (F(x) = clip(x + G(x))).

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> g: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

fn each(i: u32) {
    let v = x[i] + g[i];
    let sign = bitcast<vec4<u32>>(v) & vec4<u32>(0x80000000u);
    let limit = bitcast<vec4<f32>>(sign | vec4<u32>(0x3f800000u)); // 1 with the sign of v
    let limited = choose(limit, v, within_one(v) | is_nan(v));
    y[i] = mask_lanes(limited, i % ((params.c + 3u) / 4u), params.c);
}
