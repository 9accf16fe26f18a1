// The uniform block of kernels whose only parameters are the sizes of the images: an item is a
// group of four channels.

struct ElementwiseParams {
    vec4s: u32, // N H W ceil(C / 4)
    c: u32,     // channels without padding
}

@group(0) @binding(0) var<uniform> params: ElementwiseParams;

fn items() -> u32 {
    return params.vec4s;
}
