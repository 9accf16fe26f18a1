// Common parts of the two variants of bench_integer: interface, and the computation of one result.

struct BenchIntegerParams {
    len: u32,
    turns: u32,
}

@group(0) @binding(0) var<uniform> params: BenchIntegerParams;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>; // [len]

override WG_SIZE: u32 = 64u;

// Computes the result of one invocation.
fn draw(group: vec3<u32>, groups: vec3<u32>, lane: u32) {
    let i = group_index(group, groups) * WG_SIZE + lane;
    if i >= params.len {
        return;
    }
    var c = vec4<u32>(i, 0u, 0u, 0u);
    for (var turn = 0u; turn < params.turns; turn++) {
        c = philox4x32_10(c, vec2<u32>(7u, 9u));
    }
    y[i] = c;
}
