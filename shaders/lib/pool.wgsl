// The uniform block of sliding windows over images, forward and backward: an item is a group of
// four channels of the output.

struct PoolParams {
    vec4s: u32,     // of the output: y forward, dx backward
    c: u32,         // channels without padding
    h: u32,         // size of x
    w: u32,
    oh: u32,        // size of y
    ow: u32,
    rows: u32,      // size R x S of the window
    columns: u32,
    stride_y: u32,
    stride_x: u32,
    pad_y: u32,     // rows above the image
    pad_x: u32,     // columns left of the image
    counted_y: u32, // rows and columns of the padded image that a mean counts (DIVISOR 2)
    counted_x: u32,
    scale: f32,     // of a mean: 1 / (R S)
}

@group(0) @binding(0) var<uniform> params: PoolParams;

fn items() -> u32 {
    return params.vec4s;
}
