// Gradient through a ReLU whose mask was recorded, as a separate dispatch.
//
//   dx[i] = dy[i] where the mask's bit is set, else 0
//
// It is needed only where the masked gradient itself is used further (a residual connection); the
// input gradient of a convolution applies the mask when it loads.
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/mask_gradient.rs
// Source:  the mask of lib/conv2d.wgsl: four bits per group of channels, eight pixels to a word.

struct MaskGradientParams {
    vec4s: u32,  // of one copy: N H W ceil(C / 4)
    c: u32,      // channels without padding
    copies: u32,
}

@group(0) @binding(0) var<uniform> params: MaskGradientParams;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;       // [copies, N, H, W, C]
@group(0) @binding(2) var<storage, read> mask: array<u32>;           // [copies, ceil(NHW/8), C/4]
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>; // [copies, N, H, W, C]

fn items() -> u32 {
    return params.vec4s * params.copies;
}

fn each(i: u32) {
    let c4s = (params.c + 3u) / 4u;
    let octets = (params.vec4s / c4s + 7u) / 8u;
    let copy = i / params.vec4s;
    let pixel = i % params.vec4s / c4s;
    let c4 = i % c4s;
    let bits = mask[(copy * octets + pixel / 8u) * c4s + c4] >> (4u * (pixel % 8u));
    let on = (vec4<u32>(bits) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u);
    dx[i] = mask_lanes(select(vec4<f32>(0.0), dy[i], on), c4, params.c);
}
