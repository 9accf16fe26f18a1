// Gradient of the protected input with respect to the perturbation.
//
//   dg[i] = dy[i] where -1 <= x[i] + g[i] <= 1, else 0
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/fuse_clamp.rs
// Source:  torch.clamp, its backward function (both limits let the gradient pass).

@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;        // [N, H, W, C]
@group(0) @binding(3) var<storage, read> g: array<vec4<f32>>;        // [N, H, W, C]
@group(0) @binding(4) var<storage, read_write> dg: array<vec4<f32>>; // [N, H, W, C]

fn each(i: u32) {
    let gradient = choose(vec4<f32>(0.0), dy[i], within_one(x[i] + g[i]));
    dg[i] = mask_lanes(gradient, i % ((params.c + 3u) / 4u), params.c);
}
