// Per-channel parameters lie unpadded in the network's flat `parameters`, at an offset in floats.

// Channels 4 c4 .. 4 c4 + 3 of the vector at `offset`; lanes past the last of `c` channels repeat
// it.
fn parameters4(offset: u32, c4: u32, c: u32) -> vec4<f32> {
    let at = offset + min(4u * c4 + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(c - 1u));
    return vec4<f32>(parameters[at.x], parameters[at.y], parameters[at.z], parameters[at.w]);
}
