// Any other order of the values of an image: reshaping, transposing, slicing, padding, shuffling
// channels, and the gradients of all of these.
//
//   y[n, i] = x[n, table[i]],  or the fill, or 0 in padding lanes
//
// Grid:    one invocation per group of four channels of y.
// Twin:    src/kernels/layout/rearrange.rs
// Source:  torch.reshape, permute, narrow, torch.nn.functional.pad, channel_shuffle.

struct RearrangeParams {
    vec4s: u32,   // of y
    image: u32,   // vec4s of an image of y
    x_image: u32, // floats of an image of x, padding included
    fill: f32,
}

@group(0) @binding(0) var<uniform> params: RearrangeParams;
@group(0) @binding(1) var<storage, read> x: array<f32>;             // [N, x_image]
@group(0) @binding(2) var<storage, read> table: array<vec4<u32>>;   // [image]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [N, image]

// What the table says where there is no source.
const FILL: u32 = 0xffffffffu;
const PADDING: u32 = 0xfffffffeu;

fn items() -> u32 {
    return params.vec4s;
}

fn each(i: u32) {
    let n = i / params.image;
    let source = table[i - n * params.image];
    let real = source < vec4<u32>(PADDING);
    let at = vec4<u32>(n * params.x_image) + select(vec4<u32>(0u), source, real);
    let v = vec4<f32>(x[at.x], x[at.y], x[at.z], x[at.w]);
    let other = select(vec4<f32>(0.0), vec4<f32>(params.fill), source == vec4<u32>(FILL));
    y[i] = select(other, v, real);
}
