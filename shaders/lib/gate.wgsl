// The uniform block of a tensor and its gates, a number for each image and channel: an item is a
// group of four channels of what the kernel writes.

struct GateParams {
    vec4s: u32,  // of the output
    c: u32,      // channels without padding
    pixels: u32, // H W
}

@group(0) @binding(0) var<uniform> params: GateParams;

fn items() -> u32 {
    return params.vec4s;
}
