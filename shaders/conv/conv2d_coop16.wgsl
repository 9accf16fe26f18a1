// Convolution and transposed convolution, forward and input gradient: cooperative matrices
// 16x16x16.
//
//   y[n,oy,ox,k] = act(scale[k] * sum_{r,s,c} x[n,iy,ix,c] w[r,s,c,k] + shift[k] + residual)
//
// Operands are rounded to f16; products are summed in f32. A workgroup computes 128 pixels x 64
// output channels, 16 input channels at a time: lanes fetch the next 16 while the previous ones are
// multiplied. A subgroup holds 32 x 32 results in four accumulators, named (row, column).
//
// Grid:    one workgroup per (64 channels, 128 pixels, class, copy), channels fastest.
// Twin:    src/kernels/conv/conv2d/twin.rs
// Source:  PyTorch conv2d and conv_transpose2d (cross-correlation); NHWC, weights RSCK.

const PIXELS: u32 = 128u;
const REGIONS: u32 = 8u;
// A block of `sums` is 16 pixels x 16 channels.
const BLOCK_COLUMNS4: u32 = 4u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    let place = place_of(group_index(group, groups), PIXELS, CHANNELS4);
    let f = fetcher_of(place, lane);
    let steps = steps_of(place);
    let end = select(0u, REGIONS, place.real);
    for (var first = 0u; first < end; first += subgroups) {
        let region = first + subgroup;
        // Loops of zero or one turn stand for an `if`: naga allows matrices in an `if` only if all
        // lanes of the workgroup enter it, although it is enough that all lanes of a subgroup do.
        let turns = select(0u, 1u, region < REGIONS);
        let x0_first = 32u * (region / 2u) * X_PITCH;
        let x1_first = x0_first + 16u * X_PITCH;
        let w_first = 32u * (region % 2u);
        clear_sums(lane);
        var s00 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var s01 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var s10 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var s11 = coopLoadT<coop_mat16x16<f32, C>>(&sums[0], 16u);
        var at = walk_from(place, f.ahead);
        var next = fetch(place, f, at);
        for (var step = 0u; step < steps; step++) {
            workgroupBarrier(); // all lanes have read the previous step
            stage(f, next);
            workgroupBarrier();
            at = walk_on(place, at, STEP);
            next = fetch(place, f, at);
            for (var i = 0u; i < turns; i++) {
                let x0 = coopLoadT<coop_mat16x16<f16, A>>(&x_tile[x0_first], X_PITCH);
                let x1 = coopLoadT<coop_mat16x16<f16, A>>(&x_tile[x1_first], X_PITCH);
                let w0 = coopLoadT<coop_mat16x16<f16, B>>(&w_tile[w_first], W_PITCH);
                let w1 = coopLoadT<coop_mat16x16<f16, B>>(&w_tile[w_first + 16u], W_PITCH);
                s00 = coopMultiplyAdd(x0, w0, s00);
                s01 = coopMultiplyAdd(x0, w1, s01);
                s10 = coopMultiplyAdd(x1, w0, s10);
                s11 = coopMultiplyAdd(x1, w1, s11);
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
