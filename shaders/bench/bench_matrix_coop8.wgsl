// Products of cooperative matrices 8x8x8 in registers, f16 summed in f32, for the ceilings of
// `nf-gpu bench`.
//
//   y[b] = x w, `turns` times added up      x [32, 16], w [16, 32], the same for all blocks b
//
// A subgroup holds a block in 16 accumulators, named (row, column); the matrices of x and w are
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
var<workgroup> zeros: array<f32, 64>;

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
    for (var i = lane; i < 64u; i += WG_SIZE) {
        zeros[i] = 0.0;
    }
    workgroupBarrier();
    let first = 4u * group_index(group, groups);
    let count = min(params.blocks - min(first, params.blocks), 4u);
    let x00 = coopLoadT<coop_mat8x8<f16, A>>(&x_tile[0], 16u);
    let x01 = coopLoadT<coop_mat8x8<f16, A>>(&x_tile[8], 16u);
    let x10 = coopLoadT<coop_mat8x8<f16, A>>(&x_tile[128], 16u);
    let x11 = coopLoadT<coop_mat8x8<f16, A>>(&x_tile[136], 16u);
    let x20 = coopLoadT<coop_mat8x8<f16, A>>(&x_tile[256], 16u);
    let x21 = coopLoadT<coop_mat8x8<f16, A>>(&x_tile[264], 16u);
    let x30 = coopLoadT<coop_mat8x8<f16, A>>(&x_tile[384], 16u);
    let x31 = coopLoadT<coop_mat8x8<f16, A>>(&x_tile[392], 16u);
    let w00 = coopLoadT<coop_mat8x8<f16, B>>(&w_tile[0], 32u);
    let w01 = coopLoadT<coop_mat8x8<f16, B>>(&w_tile[8], 32u);
    let w02 = coopLoadT<coop_mat8x8<f16, B>>(&w_tile[16], 32u);
    let w03 = coopLoadT<coop_mat8x8<f16, B>>(&w_tile[24], 32u);
    let w10 = coopLoadT<coop_mat8x8<f16, B>>(&w_tile[256], 32u);
    let w11 = coopLoadT<coop_mat8x8<f16, B>>(&w_tile[264], 32u);
    let w12 = coopLoadT<coop_mat8x8<f16, B>>(&w_tile[272], 32u);
    let w13 = coopLoadT<coop_mat8x8<f16, B>>(&w_tile[280], 32u);
    for (var block = subgroup; block < count; block += subgroups) {
        var s00 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s01 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s02 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s03 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s10 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s11 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s12 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s13 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s20 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s21 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s22 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s23 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s30 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s31 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s32 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        var s33 = coopLoadT<coop_mat8x8<f32, C>>(&zeros[0], 8u);
        for (var turn = 0u; turn < params.turns; turn++) {
            s00 = coopMultiplyAdd(x00, w00, s00);
            s01 = coopMultiplyAdd(x00, w01, s01);
            s02 = coopMultiplyAdd(x00, w02, s02);
            s03 = coopMultiplyAdd(x00, w03, s03);
            s10 = coopMultiplyAdd(x10, w00, s10);
            s11 = coopMultiplyAdd(x10, w01, s11);
            s12 = coopMultiplyAdd(x10, w02, s12);
            s13 = coopMultiplyAdd(x10, w03, s13);
            s20 = coopMultiplyAdd(x20, w00, s20);
            s21 = coopMultiplyAdd(x20, w01, s21);
            s22 = coopMultiplyAdd(x20, w02, s22);
            s23 = coopMultiplyAdd(x20, w03, s23);
            s30 = coopMultiplyAdd(x30, w00, s30);
            s31 = coopMultiplyAdd(x30, w01, s31);
            s32 = coopMultiplyAdd(x30, w02, s32);
            s33 = coopMultiplyAdd(x30, w03, s33);
            s00 = coopMultiplyAdd(x01, w10, s00);
            s01 = coopMultiplyAdd(x01, w11, s01);
            s02 = coopMultiplyAdd(x01, w12, s02);
            s03 = coopMultiplyAdd(x01, w13, s03);
            s10 = coopMultiplyAdd(x11, w10, s10);
            s11 = coopMultiplyAdd(x11, w11, s11);
            s12 = coopMultiplyAdd(x11, w12, s12);
            s13 = coopMultiplyAdd(x11, w13, s13);
            s20 = coopMultiplyAdd(x21, w10, s20);
            s21 = coopMultiplyAdd(x21, w11, s21);
            s22 = coopMultiplyAdd(x21, w12, s22);
            s23 = coopMultiplyAdd(x21, w13, s23);
            s30 = coopMultiplyAdd(x31, w10, s30);
            s31 = coopMultiplyAdd(x31, w11, s31);
            s32 = coopMultiplyAdd(x31, w12, s32);
            s33 = coopMultiplyAdd(x31, w13, s33);
        }
        let at = 1024u * (first + block);
        coopStoreT(s00, &y[at + 0u], 32u);
        coopStoreT(s01, &y[at + 8u], 32u);
        coopStoreT(s02, &y[at + 16u], 32u);
        coopStoreT(s03, &y[at + 24u], 32u);
        coopStoreT(s10, &y[at + 256u], 32u);
        coopStoreT(s11, &y[at + 264u], 32u);
        coopStoreT(s12, &y[at + 272u], 32u);
        coopStoreT(s13, &y[at + 280u], 32u);
        coopStoreT(s20, &y[at + 512u], 32u);
        coopStoreT(s21, &y[at + 520u], 32u);
        coopStoreT(s22, &y[at + 528u], 32u);
        coopStoreT(s23, &y[at + 536u], 32u);
        coopStoreT(s30, &y[at + 768u], 32u);
        coopStoreT(s31, &y[at + 776u], 32u);
        coopStoreT(s32, &y[at + 784u], 32u);
        coopStoreT(s33, &y[at + 792u], 32u);
    }
}
