// Copies one learned image to every image of a batch.
//
//   y[n, h, w, c] = parameters[offset + (c H + h) W + w]
//
// Grid:    one invocation per group of four channels of a pixel of the batch.
// Twin:    src/kernels/elementwise/learned_image.rs
// Source:  NeuralFuse, arXiv:2306.16869, table 11: universal input perturbation.

struct LearnedImageParams {
    vec4s: u32,  // of y, N H W C / 4
    plane: u32,  // of one image, H W
    c: u32,      // channels
    offset: u32, // offset of the image in `parameters`
}

@group(0) @binding(0) var<uniform> params: LearnedImageParams;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;    // flat
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

fn items() -> u32 {
    return params.vec4s;
}

fn each(i: u32) {
    let c4s = (params.c + 3u) / 4u;
    let first = 4u * (i % c4s);
    let at = params.offset + first * params.plane + i / c4s % params.plane;
    var v = vec4<f32>(0.0);
    for (var c = 0u; c < min(params.c - first, 4u); c++) {
        v[c] = parameters[at + c * params.plane];
    }
    y[i] = v;
}
