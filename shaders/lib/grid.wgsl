// Index of a workgroup. The host folds dispatches of more than 65,535 workgroups into two
// dimensions (src/kernels/plan.rs, `fold`); this undoes it. There may be groups past the end: guard
// indices.

fn group_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.x + group.y * groups.x;
}
