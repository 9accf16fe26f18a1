// Weight gradient of a convolution, in partial sums over chunks of pixels: cooperative matrices
// 16x16x16.
//
//   partial[j,r,s,c,k] = sum over pixels (n,oy,ox) of chunk j of
//                    x[n, oy * stride + r - padding, ox * stride + s - padding, c] dy[n,oy,ox,k]
//
// Operands are rounded to f16; products are summed in f32. A workgroup computes 128 rows (channels
// of taps) x 64 output channels, 16 pixels at a time: lanes fetch the next 16 while the previous
// ones are multiplied. A subgroup holds 32 x 32 results in four accumulators, named (row, column).
//
// Grid:    one workgroup per (64 output channels, 32 row groups, chunk).
// Twin:    src/kernels/conv/conv2d_grad_weight.rs
// Source:  PyTorch conv2d's gradient. A transposed convolution's is the same, x and dy exchanged.

const ROWS: u32 = 128u;
const REGIONS: u32 = 8u;
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
    let place = place_of(group_index(group, groups));
    let f = fetcher_of(place, lane);
    let end = select(0u, REGIONS, place.pixels > 0u);
    for (var first = 0u; first < end; first += subgroups) {
        let region = first + subgroup;
        // Loops of zero or one turn stand for an `if`: naga allows matrices in an `if` only if all
        // lanes of the workgroup enter it, although it is enough that all lanes of a subgroup do.
        let turns = select(0u, 1u, region < REGIONS);
        let x_first = 32u * (region / 2u);
        let dy_first = 32u * (region % 2u);
        clear_sums(lane);
        var s00 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var s01 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var s10 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var s11 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var next = fetch(place, f, 0u);
        for (var pixel = 0u; pixel < place.pixels; pixel += DEPTH) {
            workgroupBarrier(); // all lanes have read the previous step
            stage(f, next);
            workgroupBarrier();
            next = fetch(place, f, pixel + DEPTH);
            for (var i = 0u; i < turns; i++) {
                let x0 = coopLoad<coop_mat16x16<f16, A>>(&x_tile[x_first], X_PITCH);
                let x1 = coopLoad<coop_mat16x16<f16, A>>(&x_tile[x_first + 16u], X_PITCH);
                let d0 = coopLoadT<coop_mat16x16<f16, B>>(&dy_tile[dy_first], DY_PITCH);
                let d1 = coopLoadT<coop_mat16x16<f16, B>>(&dy_tile[dy_first + 16u], DY_PITCH);
                s00 = coopMultiplyAdd(x0, d0, s00);
                s01 = coopMultiplyAdd(x0, d1, s01);
                s10 = coopMultiplyAdd(x1, d0, s10);
                s11 = coopMultiplyAdd(x1, d1, s11);
            }
        }
        let regions = vec2<u32>(first, first + subgroups);
        let block = 256u * (region % 4u);
        // `sums` holds blocks of four regions.
        for (var four = 0u; four < REGIONS; four += 4u) {
            let stores = select(0u, turns, region / 4u == four / 4u);
            for (var i = 0u; i < stores; i++) {
                coopStoreT(s00, &sums[block], 16u);
            }
            finish(place, lane, four, regions, 0u, 0u);
            for (var i = 0u; i < stores; i++) {
                coopStoreT(s01, &sums[block], 16u);
            }
            finish(place, lane, four, regions, 0u, 4u);
            for (var i = 0u; i < stores; i++) {
                coopStoreT(s10, &sums[block], 16u);
            }
            finish(place, lane, four, regions, 16u, 0u);
            for (var i = 0u; i < stores; i++) {
                coopStoreT(s11, &sums[block], 16u);
            }
            finish(place, lane, four, regions, 16u, 4u);
        }
    }
}
