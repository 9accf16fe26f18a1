// Product of two tensors, or of a tensor with one number per image and channel (the gates of
// squeeze-and-excite blocks).
//
//   y[n, h, w, c] = a[n, h, w, c] b[n, h, w, c],   or b[n, c] with GATE
//
// Its gradients are products too, but that of a gate, which is image_dot's sum.
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/multiply.rs
// Source:  torch.mul with broadcasting; Hu et al., CVPR 2018.

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;       // [N, H, W, C] or [N, C]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

override GATE: u32 = 0u;

fn each(i: u32) {
    let c4s = (params.c + 3u) / 4u;
    let c4 = i % c4s;
    var at = i;
    if GATE == 1u {
        at = i / (c4s * params.pixels) * c4s + c4;
    }
    y[i] = mask_lanes(a[i] * b[at], c4, params.c);
}
