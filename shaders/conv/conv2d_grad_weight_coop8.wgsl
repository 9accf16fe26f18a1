// Weight gradient of a convolution, in partial sums over chunks of pixels: cooperative matrices
// 8x8x8.
//
//   partial[j,r,s,c,k] = sum over pixels (n,oy,ox) of chunk j of
//                    x[n, oy * stride + r - padding, ox * stride + s - padding, c] dy[n,oy,ox,k]
//
// Operands are rounded to f16; products are summed in f32. A workgroup computes 64 rows (channels
// of taps) x 64 output channels, 16 pixels at a time: lanes fetch the next 16 while the previous
// ones are multiplied. A subgroup holds 32 x 32 results in 16 accumulators (row, column). They are
// single variables because naga allows no array of matrices.
//
// Grid:    one workgroup per (64 output channels, 16 row groups, chunk).
// Twin:    src/kernels/conv/conv2d_grad_weight.rs
// Source:  PyTorch conv2d's gradient. A transposed convolution's is the same, x and dy exchanged.

const ROWS: u32 = 64u;
const REGIONS: u32 = 4u;
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
        var next = fetch(place, f, 0u);
        for (var pixel = 0u; pixel < place.pixels; pixel += DEPTH) {
            workgroupBarrier(); // all lanes have read the previous step
            stage(f, next);
            workgroupBarrier();
            next = fetch(place, f, pixel + DEPTH);
            for (var p = 0u; p < DEPTH * turns; p += 8u) {
                let xs = x_first + p * X_PITCH;
                let ds = dy_first + p * DY_PITCH;
                let x0 = coopLoad<coop_mat8x8<f16, A>>(&x_tile[xs], X_PITCH);
                let x1 = coopLoad<coop_mat8x8<f16, A>>(&x_tile[xs + 8u], X_PITCH);
                let x2 = coopLoad<coop_mat8x8<f16, A>>(&x_tile[xs + 16u], X_PITCH);
                let x3 = coopLoad<coop_mat8x8<f16, A>>(&x_tile[xs + 24u], X_PITCH);
                let d0 = coopLoadT<coop_mat8x8<f16, B>>(&dy_tile[ds], DY_PITCH);
                let d1 = coopLoadT<coop_mat8x8<f16, B>>(&dy_tile[ds + 8u], DY_PITCH);
                let d2 = coopLoadT<coop_mat8x8<f16, B>>(&dy_tile[ds + 16u], DY_PITCH);
                let d3 = coopLoadT<coop_mat8x8<f16, B>>(&dy_tile[ds + 24u], DY_PITCH);
                s00 = coopMultiplyAdd(x0, d0, s00);
                s01 = coopMultiplyAdd(x0, d1, s01);
                s02 = coopMultiplyAdd(x0, d2, s02);
                s03 = coopMultiplyAdd(x0, d3, s03);
                s10 = coopMultiplyAdd(x1, d0, s10);
                s11 = coopMultiplyAdd(x1, d1, s11);
                s12 = coopMultiplyAdd(x1, d2, s12);
                s13 = coopMultiplyAdd(x1, d3, s13);
                s20 = coopMultiplyAdd(x2, d0, s20);
                s21 = coopMultiplyAdd(x2, d1, s21);
                s22 = coopMultiplyAdd(x2, d2, s22);
                s23 = coopMultiplyAdd(x2, d3, s23);
                s30 = coopMultiplyAdd(x3, d0, s30);
                s31 = coopMultiplyAdd(x3, d1, s31);
                s32 = coopMultiplyAdd(x3, d2, s32);
                s33 = coopMultiplyAdd(x3, d3, s33);
            }
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
