// As lib/cooperative_16.wgsl, with matrices of 8 x 8 x 8 and 64 rows: a region has 16 accumulators,
// which are single variables because naga allows no array of matrices.

const ROWS: u32 = 64u;
const REGIONS: u32 = 4u;
const LANES: u32 = 128u;
// A block of `sums` is 8 rows x 32 channels.
const BLOCK_COLUMNS4: u32 = 8u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    let place = tile_of(group_index(group, groups));
    let f = fetcher_of(place, lane);
    let exactly = reads_nan();
    let steps = steps_of(place);
    let end = select(0u, REGIONS, is_real(place));
    for (var first = 0u; first < end; first += subgroups) {
        let region = first + subgroup;
        // Loops of zero or one turn stand for an `if`: naga allows matrices in an `if` only if all
        // lanes of the workgroup enter it, although it is enough that all lanes of a subgroup do.
        let turns = select(0u, 1u, region < REGIONS);
        let r_first = 32u * (region / 2u) * PITCH;
        let c_first = 32u * (region % 2u) * PITCH;
        clear_sums(lane);
        var s00 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s01 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s02 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s03 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s10 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s11 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s12 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s13 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s20 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s21 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s22 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s23 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s30 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s31 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s32 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var s33 = coopLoadT<coop_mat8x8<f32, C>>(&sums[0], 8u);
        var at = walk_from(place, f);
        stage(f, fetch(place, f, at), exactly);
        for (var step = 0u; step < steps; step++) {
            workgroupBarrier();
            at = walk_on(place, f, at);
            let next = fetch(place, f, at);
            for (var i = 0u; i < DEPTH * turns; i += 8u) {
                let rs = r_first + i;
                let cs = c_first + i;
                let r0 = coopLoadT<coop_mat8x8<f16, A>>(&row_tile[rs], PITCH);
                let r1 = coopLoadT<coop_mat8x8<f16, A>>(&row_tile[rs + 8u * PITCH], PITCH);
                let r2 = coopLoadT<coop_mat8x8<f16, A>>(&row_tile[rs + 16u * PITCH], PITCH);
                let r3 = coopLoadT<coop_mat8x8<f16, A>>(&row_tile[rs + 24u * PITCH], PITCH);
                let c0 = coopLoad<coop_mat8x8<f16, B>>(&column_tile[cs], PITCH);
                let c1 = coopLoad<coop_mat8x8<f16, B>>(&column_tile[cs + 8u * PITCH], PITCH);
                let c2 = coopLoad<coop_mat8x8<f16, B>>(&column_tile[cs + 16u * PITCH], PITCH);
                let c3 = coopLoad<coop_mat8x8<f16, B>>(&column_tile[cs + 24u * PITCH], PITCH);
                s00 = coopMultiplyAdd(r0, c0, s00);
                s01 = coopMultiplyAdd(r0, c1, s01);
                s02 = coopMultiplyAdd(r0, c2, s02);
                s03 = coopMultiplyAdd(r0, c3, s03);
                s10 = coopMultiplyAdd(r1, c0, s10);
                s11 = coopMultiplyAdd(r1, c1, s11);
                s12 = coopMultiplyAdd(r1, c2, s12);
                s13 = coopMultiplyAdd(r1, c3, s13);
                s20 = coopMultiplyAdd(r2, c0, s20);
                s21 = coopMultiplyAdd(r2, c1, s21);
                s22 = coopMultiplyAdd(r2, c2, s22);
                s23 = coopMultiplyAdd(r2, c3, s23);
                s30 = coopMultiplyAdd(r3, c0, s30);
                s31 = coopMultiplyAdd(r3, c1, s31);
                s32 = coopMultiplyAdd(r3, c2, s32);
                s33 = coopMultiplyAdd(r3, c3, s33);
            }
            workgroupBarrier(); // all lanes have read this step
            stage(f, next, exactly);
        }
        let regions = vec2<u32>(first, first + subgroups);
        for (var i = 0u; i < turns; i++) {
            coopStoreT(s00, &sums[256u * region], 32u);
            coopStoreT(s01, &sums[256u * region + 8u], 32u);
            coopStoreT(s02, &sums[256u * region + 16u], 32u);
            coopStoreT(s03, &sums[256u * region + 24u], 32u);
        }
        finish(place, lane, 0u, regions, 0u, 0u);
        for (var i = 0u; i < turns; i++) {
            coopStoreT(s10, &sums[256u * region], 32u);
            coopStoreT(s11, &sums[256u * region + 8u], 32u);
            coopStoreT(s12, &sums[256u * region + 16u], 32u);
            coopStoreT(s13, &sums[256u * region + 24u], 32u);
        }
        finish(place, lane, 0u, regions, 8u, 0u);
        for (var i = 0u; i < turns; i++) {
            coopStoreT(s20, &sums[256u * region], 32u);
            coopStoreT(s21, &sums[256u * region + 8u], 32u);
            coopStoreT(s22, &sums[256u * region + 16u], 32u);
            coopStoreT(s23, &sums[256u * region + 24u], 32u);
        }
        finish(place, lane, 0u, regions, 16u, 0u);
        for (var i = 0u; i < turns; i++) {
            coopStoreT(s30, &sums[256u * region], 32u);
            coopStoreT(s31, &sums[256u * region + 8u], 32u);
            coopStoreT(s32, &sums[256u * region + 16u], 32u);
            coopStoreT(s33, &sums[256u * region + 24u], 32u);
        }
        finish(place, lane, 0u, regions, 24u, 0u);
    }
}
