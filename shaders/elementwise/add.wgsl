// Residual addition.
//
//   y[i] = a[i] + b[i]
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/add.rs
// Source:  He et al., arXiv:1512.03385, equation 1 (used where a convolution cannot fuse it).

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

fn each(i: u32) {
    let c4 = i % ((params.c + 3u) / 4u);
    y[i] = mask_lanes(a[i] + b[i], c4, params.c);
}
