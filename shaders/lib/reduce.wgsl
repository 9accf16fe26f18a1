// Sums over the lanes of a workgroup, in a fixed order. WG_SIZE is a power of two.

var<workgroup> cells: array<vec4<f32>, WG_SIZE>;

// Gives every lane the sum over all lanes with the same index modulo `stride` (a power of two, the
// same in all lanes). With stride 1 that is the sum over all lanes.
fn sum_over_lanes(v: vec4<f32>, lane: u32, stride: u32) -> vec4<f32> {
    workgroupBarrier(); // lanes may still read an earlier sum
    cells[lane] = v;
    for (var half = WG_SIZE / 2u; half >= stride; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            cells[lane] += cells[lane + half];
        }
    }
    workgroupBarrier();
    return cells[lane % stride];
}
