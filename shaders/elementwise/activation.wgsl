// ReLU or tanh as a separate dispatch, where no other kernel can fuse it.
//
//   y[i] = act(x[i])
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/activation.rs
// Source:  torch.relu, torch.tanh.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

fn each(i: u32) {
    y[i] = mask_lanes(activate(x[i]), i % ((params.c + 3u) / 4u), params.c);
}
