// Products of cooperative matrices 16x16x16 in registers, f16 summed in f32, for the ceilings of
// `nf-gpu bench`.
//
//   y[b] = x w, `turns` times added up      x [32, 16], w [16, 32], the same for all blocks b
//
// A subgroup holds a block in 4 accumulators, named (row, column); the matrices of x and w are
// named (row, c) and (c, column). With fewer subgroups than blocks, the subgroups take turns; with
// more, the others idle.
//
// Grid:    one workgroup per four blocks.
// Twin:    src/kernels/bench/bench_matrix.rs
// Source:  wgpu, docs/api-specs/cooperative_matrix.md.

@group(0) @binding(1) var<storage, read> x: array<f32>;       // [32, 16]
@group(0) @binding(2) var<storage, read> w: array<f32>;       // [16, 32]
@group(0) @binding(3) var<storage, read_write> y: array<f32>; // [blocks, 32, 32]

override WG_SIZE: u32 = 128u;

var<workgroup> x_tile: array<f16, 512>;
var<workgroup> w_tile: array<f16, 512>;
var<workgroup> zeros: array<f32, 256>;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    for (var i = lane; i < 512u; i += WG_SIZE) {
        x_tile[i] = f16(x[i]);
        w_tile[i] = f16(w[i]);
    }
    for (var i = lane; i < 256u; i += WG_SIZE) {
        zeros[i] = 0.0;
    }
    workgroupBarrier();
    let first = 4u * group_index(group, groups);
    let count = min(params.blocks - min(first, params.blocks), 4u);
    let x00 = coopLoadT<coop_mat16x16<f16, A>>(&x_tile[0], 16u);
    let x10 = coopLoadT<coop_mat16x16<f16, A>>(&x_tile[256], 16u);
    let w00 = coopLoadT<coop_mat16x16<f16, B>>(&w_tile[0], 32u);
    let w01 = coopLoadT<coop_mat16x16<f16, B>>(&w_tile[16], 32u);
    for (var block = subgroup; block < count; block += subgroups) {
        var s00 = coopLoadT<coop_mat16x16<f32, C>>(&zeros[0], 16u);
        var s01 = coopLoadT<coop_mat16x16<f32, C>>(&zeros[0], 16u);
        var s10 = coopLoadT<coop_mat16x16<f32, C>>(&zeros[0], 16u);
        var s11 = coopLoadT<coop_mat16x16<f32, C>>(&zeros[0], 16u);
        for (var turn = 0u; turn < params.turns; turn++) {
            s00 = coopMultiplyAdd(x00, w00, s00);
            s01 = coopMultiplyAdd(x00, w01, s01);
            s10 = coopMultiplyAdd(x10, w00, s10);
            s11 = coopMultiplyAdd(x10, w01, s11);
        }
        let at = 1024u * (first + block);
        coopStoreT(s00, &y[at + 0u], 32u);
        coopStoreT(s01, &y[at + 16u], 32u);
        coopStoreT(s10, &y[at + 512u], 32u);
        coopStoreT(s11, &y[at + 528u], 32u);
    }
}
