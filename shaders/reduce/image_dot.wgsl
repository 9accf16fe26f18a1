// Dot product of two tensors over the pixels of each image: the gradient of a gate.
//
//   y[n, c] = sum over the pixels p of image n of a[n, p, c] b[n, p, c]
//
// One invocation sums the pixels in their order, in blocks of 64, so that results are the same on
// every run, and a long sum rounds little.
//
// Grid:    one invocation per (image, group of four channels).
// Twin:    src/kernels/reduce/image_dot.rs
// Source:  torch.mul's backward function and torch.sum over the broadcast dimensions.

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [N, C]

const BLOCK: u32 = 64u;

fn each(i: u32) {
    let c4s = (params.c + 3u) / 4u;
    let c4 = i % c4s;
    var at = i / c4s * params.pixels * c4s + c4;
    var sum = vec4<f32>(0.0);
    for (var first = 0u; first < params.pixels; first += BLOCK) {
        var block = vec4<f32>(0.0);
        for (var p = first; p < min(first + BLOCK, params.pixels); p++) {
            block += a[at] * b[at];
            at += c4s;
        }
        sum += block;
    }
    y[i] = mask_lanes(sum, c4, params.c);
}
