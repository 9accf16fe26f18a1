// Channels are stored in groups of four; the lanes of the last group past `c` are padding.

fn real_lanes(c4: u32, c: u32) -> vec4<bool> {
    return vec4<u32>(0u, 1u, 2u, 3u) + vec4<u32>(4u * c4) < vec4<u32>(c);
}

// Zero in the padding lanes, whatever they held.
fn mask_lanes(v: vec4<f32>, c4: u32, c: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), v, real_lanes(c4, c));
}
