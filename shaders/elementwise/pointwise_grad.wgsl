// Gradients of the activation functions of lib/pointwise.wgsl, from their inputs.
//
//   dx[i] = dy[i] f'(x[i])
//
// Where f is flat the gradient is 0 even if dy is NaN or infinite.
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/pointwise.rs
// Source:  torch.nn.functional.hardtanh, sigmoid, hardsigmoid, hardswish, silu, their backward
//          functions.

@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;        // [N, H, W, C]
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>; // [N, H, W, C]

fn each(i: u32) {
    dx[i] = mask_lanes(pointwise_back(dy[i], x[i]), i % ((params.c + 3u) / 4u), params.c);
}
