// Where an invocation stands. The host folds dispatches of more than 65,535 workgroups into two
// dimensions (src/kernels/plan.rs, `fold`); these two undo it. Groups past the end exist: guard
// indices.

fn group_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.x + group.y * groups.x;
}
