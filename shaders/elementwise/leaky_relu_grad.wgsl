// Gradient of leaky ReLU, from the output: its sign is that of the input, which need not be kept.
//
//   dx[i] = dy[i] where y[i] > 0, else slope dy[i]
//
// At a NaN PyTorch takes the slope, and so does this kernel.
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/leaky_relu.rs
// Source:  torch.nn.LeakyReLU, its backward function.

@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;        // [N, H, W, C]
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>; // [N, H, W, C]

override SLOPE: f32 = 0.01;

fn each(i: u32) {
    let above = passes(y[i]) & !is_nan(y[i]);
    let v = choose(SLOPE * dy[i], dy[i], above);
    dx[i] = mask_lanes(v, i % ((params.c + 3u) / 4u), params.c);
}
