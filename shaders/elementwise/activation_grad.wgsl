// Gradient of ReLU or tanh, from the output: the input need not be kept.
//
//   dx[i] = dy[i] act'(x[i]),  relu' = 0 where y <= 0 else 1,  tanh' = 1 - y^2
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/activation.rs
// Source:  torch.relu, torch.tanh, their backward functions.

@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;        // [N, H, W, C]
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>; // [N, H, W, C]

fn each(i: u32) {
    dx[i] = mask_lanes(activate_back(dy[i], y[i]), i % ((params.c + 3u) / 4u), params.c);
}
