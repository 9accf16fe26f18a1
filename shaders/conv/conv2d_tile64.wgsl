// Convolution and transposed convolution, forward and input gradient: tiles of 128 pixels x 64
// output channels in workgroup memory, 8 x 8 results a lane.
//
//   y[n,oy,ox,k] = act(scale[k] * sum_{r,s,c} x[n,iy,ix,c] w[r,s,c,k] + shift[k] + residual)
//
// lib/conv2d_tile8.wgsl has the computation.
//
// Sums are made over blocks of 64 input channels, and the block sums are added up: one long sum
// would round more and change signs that decide the ReLU after it.
//
// Grid:    one workgroup per (64 channels, 128 pixels, class, copy), channels fastest.
// Twin:    src/kernels/conv/conv2d/twin.rs
// Source:  PyTorch conv2d and conv_transpose2d (cross-correlation); NHWC, weights RSCK.

const ROWS: u32 = 128u;
const CHANNELS4: u32 = 16u;
const STEP: u32 = 4u;
const GAP: u32 = 0u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    compute_tile(group_index(group, groups), lane);
}
