// A scale and a shift per channel: input normalisation, and with shifts of 0 its gradient.
//
//   y[p, c] = x[p, c] scale[c] + shift[c],   p any pixel of the batch
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/channel_affine.rs
// Source:  torchvision.transforms.Normalize, with scale = 1 / std and shift = -mean / std.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> scale: array<vec4<f32>>;   // [C]
@group(0) @binding(3) var<storage, read> shift: array<vec4<f32>>;   // [C]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

fn each(i: u32) {
    let c4 = i % ((params.c + 3u) / 4u);
    y[i] = mask_lanes(x[i] * scale[c4] + shift[c4], c4, params.c);
}
