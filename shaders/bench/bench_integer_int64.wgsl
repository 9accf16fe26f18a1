// Integer operations in registers, for the ceilings of `nf-gpu bench`: Philox, which draws faults,
// applied again and again to its own result. Products are in 64 bits.
//
//   y[i] = philox(philox(...(i, 0, 0, 0)))        `turns` times, key 7, 9
//
// Grid:    one invocation per result.
// Twin:    src/kernels/bench/bench_integer.rs
// Source:  Salmon et al., SC 2011; shaders/lib/philox.wgsl.

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    draw(group, groups, lane);
}
