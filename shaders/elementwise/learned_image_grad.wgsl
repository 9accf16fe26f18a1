// Gradient of a learned image: the sum over the batch, in PyTorch's order.
//
//   gradients[offset + (c H + h) W + w] (+)= sum_n dy[n, h, w, c]
//
// Grid:    one invocation per group of four channels of a pixel of the image.
// Twin:    src/kernels/elementwise/learned_image.rs
// Source:  the transpose of `learned_image`.

struct LearnedImageGradParams {
    n: u32,          // images, below 65,536
    plane: u32,      // pixels of one image, H W
    c: u32,          // channels
    offset: u32,     // offset of the image in `gradients`
    accumulate: u32, // 1: add to what is there
}

@group(0) @binding(0) var<uniform> params: LearnedImageGradParams;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;        // [N, H, W, C]
@group(0) @binding(2) var<storage, read_write> gradients: array<f32>; // flat

fn items() -> u32 {
    return params.plane * ((params.c + 3u) / 4u);
}

fn each(i: u32) {
    let vec4s = items();
    var sum = vec4<f32>(0.0);
    for (var n = 0u; n < params.n; n++) {
        sum += dy[n * vec4s + i];
    }
    let c4s = (params.c + 3u) / 4u;
    let first = 4u * (i % c4s);
    for (var c = 0u; c < min(params.c - first, 4u); c++) {
        let at = params.offset + (first + c) * params.plane + i / c4s;
        if params.accumulate != 0u {
            gradients[at] += sum[c];
        } else {
            gradients[at] = sum[c];
        }
    }
}
