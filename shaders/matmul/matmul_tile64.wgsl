// Batched products of matrices: tiles of 128 rows x 64 columns in workgroup memory, 8 x 8 results
// a lane.
//
//   y[b, row, k] = sum over c of x[b, row, c] w[b, c, k]
//
// lib/matmul_tile8.wgsl has the computation.
//
// Grid:    one workgroup per (64 columns, 128 rows, batch), columns fastest.
// Twin:    src/kernels/matmul/mod.rs
// Source:  the definition; NumPy's matmul.

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
