// Per-channel parameters lie unpadded in the network's flat `parameters`, at an offset in floats.

// Channels 4 c4 .. 4 c4 + 3 of the vector at `offset`; 0 past channel `c`.
fn parameters4(offset: u32, c4: u32, c: u32) -> vec4<f32> {
    var v = vec4<f32>(0.0);
    for (var i = 0u; i < min(4u, c - 4u * c4); i++) {
        v[i] = parameters[offset + 4u * c4 + i];
    }
    return v;
}
