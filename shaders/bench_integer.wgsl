// Integers on registers: Philox, as drawing faults needs it, of its own result again and again; for
// the ceilings of `nf-gpu bench`.
//
//   y[i] = philox(philox(...(i, 0, 0, 0)))        `turns` times, key 7, 9
//
// Grid:    one invocation per result.
// Twin:    src/reference/bench_integer.rs
// Source:  Salmon et al., SC 2011; shaders/lib/philox.wgsl.

struct BenchIntegerParams {
    len: u32,
    turns: u32,
}

@group(0) @binding(0) var<uniform> params: BenchIntegerParams;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>; // [len]

override WG_SIZE: u32 = 64u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
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
