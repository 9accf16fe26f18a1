// Activation functions other than those that convolutions and batch norm fuse.
//
//   y[i] = f(x[i]),  f as lib/pointwise.wgsl says
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/pointwise.rs
// Source:  torch.clamp, sigmoid, hardsigmoid, hardswish, silu.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

fn each(i: u32) {
    y[i] = mask_lanes(pointwise(x[i]), i % ((params.c + 3u) / 4u), params.c);
}
