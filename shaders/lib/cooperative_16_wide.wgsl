// As lib/cooperative_16.wgsl, for subgroups of 64 lanes: with two regions, 32 x 64 results, in
// eight accumulators, so that four subgroups need all operands once.

const ROWS: u32 = 128u;
const REGIONS: u32 = 8u;
const LANES: u32 = 256u;
// A block of `sums` is 16 rows x 16 channels.
const BLOCK_COLUMNS4: u32 = 4u;

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
    for (var first = 0u; first < end; first += 2u * subgroups) {
        // Subgroups past the last region multiply too, in vain: it must not be in a branch.
        let region = first + 2u * subgroup;
        let r0_first = 32u * (region % REGIONS / 2u) * PITCH;
        let r1_first = r0_first + 16u * PITCH;
        clear_sums(lane);
        var s00 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var s01 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var s02 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var s03 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var s10 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var s11 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var s12 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var s13 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var at = walk_from(place, f);
        stage(f, fetch(place, f, at), exactly);
        for (var step = 0u; step < steps; step++) {
            workgroupBarrier();
            at = walk_on(place, f, at);
            let next = fetch(place, f, at);
            let c0a = coopLoad<coop_mat16x16<f16, B>>(&column_tile[0u], PITCH);
            let c1a = coopLoad<coop_mat16x16<f16, B>>(&column_tile[16u * PITCH], PITCH);
            let c2a = coopLoad<coop_mat16x16<f16, B>>(&column_tile[32u * PITCH], PITCH);
            let c3a = coopLoad<coop_mat16x16<f16, B>>(&column_tile[48u * PITCH], PITCH);
            let r0a = coopLoadT<coop_mat16x16<f16, A>>(&row_tile[r0_first], PITCH);
            s00 = coopMultiplyAdd(r0a, c0a, s00);
            s01 = coopMultiplyAdd(r0a, c1a, s01);
            s02 = coopMultiplyAdd(r0a, c2a, s02);
            s03 = coopMultiplyAdd(r0a, c3a, s03);
            let r1a = coopLoadT<coop_mat16x16<f16, A>>(&row_tile[r1_first], PITCH);
            s10 = coopMultiplyAdd(r1a, c0a, s10);
            s11 = coopMultiplyAdd(r1a, c1a, s11);
            s12 = coopMultiplyAdd(r1a, c2a, s12);
            s13 = coopMultiplyAdd(r1a, c3a, s13);
            let c0b = coopLoad<coop_mat16x16<f16, B>>(&column_tile[16u], PITCH);
            let c1b = coopLoad<coop_mat16x16<f16, B>>(&column_tile[16u * PITCH + 16u], PITCH);
            let c2b = coopLoad<coop_mat16x16<f16, B>>(&column_tile[32u * PITCH + 16u], PITCH);
            let c3b = coopLoad<coop_mat16x16<f16, B>>(&column_tile[48u * PITCH + 16u], PITCH);
            let r0b = coopLoadT<coop_mat16x16<f16, A>>(&row_tile[r0_first + 16u], PITCH);
            s00 = coopMultiplyAdd(r0b, c0b, s00);
            s01 = coopMultiplyAdd(r0b, c1b, s01);
            s02 = coopMultiplyAdd(r0b, c2b, s02);
            s03 = coopMultiplyAdd(r0b, c3b, s03);
            let r1b = coopLoadT<coop_mat16x16<f16, A>>(&row_tile[r1_first + 16u], PITCH);
            s10 = coopMultiplyAdd(r1b, c0b, s10);
            s11 = coopMultiplyAdd(r1b, c1b, s11);
            s12 = coopMultiplyAdd(r1b, c2b, s12);
            s13 = coopMultiplyAdd(r1b, c3b, s13);
            workgroupBarrier(); // all lanes have read this step
            stage(f, next, exactly);
        }
        let regions = vec2<u32>(first, first + 2u * subgroups);
        let block = 256u * (region % 4u);
        // `sums` holds blocks of four regions.
        for (var four = 0u; four < REGIONS; four += 4u) {
            // Loops of zero or one turn stand for an `if`: naga allows matrices in an `if` only if
            // all lanes of the workgroup enter it, although it is enough that all lanes of a
            // subgroup do.
            let stores = select(0u, 1u, region < REGIONS && region / 4u == four / 4u);
            for (var i = 0u; i < stores; i++) {
                coopStoreT(s00, &sums[block], 16u);
                coopStoreT(s02, &sums[block + 256u], 16u);
            }
            finish(place, lane, four, regions, 0u, 0u);
            for (var i = 0u; i < stores; i++) {
                coopStoreT(s01, &sums[block], 16u);
                coopStoreT(s03, &sums[block + 256u], 16u);
            }
            finish(place, lane, four, regions, 0u, 4u);
            for (var i = 0u; i < stores; i++) {
                coopStoreT(s10, &sums[block], 16u);
                coopStoreT(s12, &sums[block + 256u], 16u);
            }
            finish(place, lane, four, regions, 16u, 0u);
            for (var i = 0u; i < stores; i++) {
                coopStoreT(s11, &sums[block], 16u);
                coopStoreT(s13, &sums[block + 256u], 16u);
            }
            finish(place, lane, four, regions, 16u, 4u);
        }
    }
}
