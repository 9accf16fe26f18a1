// Adds the losses and hits of a batch to the running totals of each copy.
//
//   totals[k] += (sum_i row_loss[k, i], sum_i correct[k, i])      the first as the bits of an f32
//
// Grid:    one workgroup per copy.
// Twin:    src/kernels/loss/loss_totals.rs
// Source:  -

struct LossTotalsParams {
    copies: u32,
    n: u32, // rows per copy, at most 2^21: as f32, the hits stay whole numbers
}

@group(0) @binding(0) var<uniform> params: LossTotalsParams;
@group(0) @binding(1) var<storage, read> row_loss: array<f32>;           // [copies, n]
@group(0) @binding(2) var<storage, read> correct: array<u32>;            // [copies, n]
@group(0) @binding(3) var<storage, read_write> totals: array<vec2<u32>>; // [copies, 2]

override WG_SIZE: u32 = 64u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let copy = group_index(group, groups);
    let n = select(0u, params.n, copy < params.copies);
    var sum = vec4<f32>(0.0);
    for (var i = lane; i < n; i += WG_SIZE) {
        let r = copy * params.n + i;
        sum += vec4<f32>(row_loss[r], f32(correct[r]), 0.0, 0.0);
    }
    sum = sum_over_lanes(sum, lane, 1u);
    if lane == 0u && copy < params.copies {
        let before = totals[copy];
        let loss = bitcast<f32>(before.x) + sum.x;
        totals[copy] = vec2<u32>(bitcast<u32>(loss), before.y + u32(sum.y));
    }
}
