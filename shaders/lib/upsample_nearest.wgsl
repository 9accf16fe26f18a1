// The uniform block of an enlargement, forward and backward: an item is a group of four channels of
// the output.

struct UpsampleNearestParams {
    vec4s: u32,  // of the output: y forward, dx backward
    c: u32,      // channels without padding
    h: u32,      // size of the small image: x, backward dx
    w: u32,
    factor: u32, // the large image is factor h x factor w
}

@group(0) @binding(0) var<uniform> params: UpsampleNearestParams;

fn items() -> u32 {
    return params.vec4s;
}
