// The entry point of kernels whose invocations compute one item each. The kernel's own file, or
// lib/elementwise.wgsl for it, defines `items()`, their number, and `each(i)`, which computes item
// i.

override WG_SIZE: u32 = 64u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group_index(group, groups) * WG_SIZE + lane;
    if i < items() {
        each(i);
    }
}
