// Weight gradient of a convolution, in partial sums over chunks of pixels: tiles of 32 row groups
// (of four rows) x 128 output channels in workgroup memory, 8 x 8 results a lane.
//
//   partial[j,r,s,c,k] = sum over pixels (n,oy,ox) of chunk j of
//                    x[n, oy * stride + r - padding, ox * stride + s - padding, c] dy[n,oy,ox,k]
//
// lib/conv2d_grad_weight_tile8.wgsl has the computation.
//
// Grid:    one workgroup per (128 output channels, 32 row groups, chunk).
// Twin:    src/kernels/conv/conv2d_grad_weight.rs
// Source:  PyTorch conv2d's gradient. A transposed convolution's is the same, x and dy exchanged.

const ROWS: u32 = 32u;
const CHANNELS4: u32 = 32u;
const DEPTH: u32 = 16u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    compute_tile(group_index(group, groups), lane);
}
