// Convolution and transposed convolution, forward and input gradient: cooperative matrices 8x8x8.
//
//   y[n,oy,ox,k] = act(scale[k] * sum_{r,s,c} x[n,iy,ix,c] w[r,s,c,k] + shift[k] + residual)
//
// Operands are rounded to f16; products are summed in f32. A workgroup computes 64 pixels x 64
// output channels, 16 input channels at a time: lanes fetch the next 16 while the previous ones are
// multiplied. A subgroup holds 32 x 32 results in 16 accumulators (row, column). They are single
// variables because naga allows no array of matrices.
//
// Grid:    one workgroup per (64 channels, 64 pixels, class, copy), channels fastest.
// Twin:    src/kernels/conv/conv2d/twin.rs
// Source:  PyTorch conv2d and conv_transpose2d (cross-correlation); NHWC, weights RSCK.

const PIXELS: u32 = 64u;
const REGIONS: u32 = 4u;
// A block of `sums` is 8 pixels x 32 channels.
const BLOCK_COLUMNS4: u32 = 8u;

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
        let x_first = 32u * (region / 2u) * X_PITCH;
        let w_first = 32u * (region % 2u);
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
        var at = walk_from(place, f.ahead);
        var next = fetch(place, f, at);
        for (var step = 0u; step < steps; step++) {
            workgroupBarrier(); // all lanes have read the previous step
            stage(f, next);
            workgroupBarrier();
            at = walk_on(place, at, STEP);
            next = fetch(place, f, at);
            for (var c = 0u; c < 16u * turns; c += 8u) {
                let xs = x_first + c;
                let ws = w_first + c * W_PITCH;
                let x0 = coopLoadT<coop_mat8x8<f16, A>>(&x_tile[xs], X_PITCH);
                let x1 = coopLoadT<coop_mat8x8<f16, A>>(&x_tile[xs + 8u * X_PITCH], X_PITCH);
                let x2 = coopLoadT<coop_mat8x8<f16, A>>(&x_tile[xs + 16u * X_PITCH], X_PITCH);
                let x3 = coopLoadT<coop_mat8x8<f16, A>>(&x_tile[xs + 24u * X_PITCH], X_PITCH);
                let w0 = coopLoadT<coop_mat8x8<f16, B>>(&w_tile[ws], W_PITCH);
                let w1 = coopLoadT<coop_mat8x8<f16, B>>(&w_tile[ws + 8u], W_PITCH);
                let w2 = coopLoadT<coop_mat8x8<f16, B>>(&w_tile[ws + 16u], W_PITCH);
                let w3 = coopLoadT<coop_mat8x8<f16, B>>(&w_tile[ws + 24u], W_PITCH);
                s00 = coopMultiplyAdd(x0, w0, s00);
                s01 = coopMultiplyAdd(x0, w1, s01);
                s02 = coopMultiplyAdd(x0, w2, s02);
                s03 = coopMultiplyAdd(x0, w3, s03);
                s10 = coopMultiplyAdd(x1, w0, s10);
                s11 = coopMultiplyAdd(x1, w1, s11);
                s12 = coopMultiplyAdd(x1, w2, s12);
                s13 = coopMultiplyAdd(x1, w3, s13);
                s20 = coopMultiplyAdd(x2, w0, s20);
                s21 = coopMultiplyAdd(x2, w1, s21);
                s22 = coopMultiplyAdd(x2, w2, s22);
                s23 = coopMultiplyAdd(x2, w3, s23);
                s30 = coopMultiplyAdd(x3, w0, s30);
                s31 = coopMultiplyAdd(x3, w1, s31);
                s32 = coopMultiplyAdd(x3, w2, s32);
                s33 = coopMultiplyAdd(x3, w3, s33);
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
