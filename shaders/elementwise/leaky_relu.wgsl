// Leaky ReLU: values that are not above 0 are multiplied by a slope instead of being set to 0.
//
//   y[i] = x[i] where x[i] > 0, else slope x[i]
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/leaky_relu.rs
// Source:  Maas, Hannun, Ng, ICML 2013; torch.nn.LeakyReLU.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

override SLOPE: f32 = 0.01;

fn each(i: u32) {
    let v = choose(SLOPE * x[i], x[i], passes(x[i]));
    y[i] = mask_lanes(v, i % ((params.c + 3u) / 4u), params.c);
}
