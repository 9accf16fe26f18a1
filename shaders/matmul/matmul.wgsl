// Batched products of matrices: plain WGSL.
//
//   y[b, row, k] = sum over c of x[b, row, c] w[b, c, k]
//
// Each invocation owns four rows of four columns.
//
// Grid:    one invocation per (4 columns, 4 rows, batch), columns fastest.
// Twin:    src/kernels/matmul/mod.rs
// Source:  the definition; NumPy's matmul.

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group_index(group, groups) * WG_SIZE + lane;
    let k4s = (params.k + 3u) / 4u;
    let c4s = (params.c + 3u) / 4u;
    let quads = (params.rows + 3u) / 4u;
    let k4 = i % k4s;
    let row = (i / k4s) % quads * 4u;
    let batch = i / (k4s * quads);
    if batch >= params.batches {
        return;
    }
    // Rows past the end repeat the last one and are not stored.
    let rows = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u));
    let at = (vec4<u32>(batch * params.rows) + rows) * c4s;
    let panel = panel_of(k4, 4u * c4s, k4s);
    let width = panel.width;
    var wb = batch * c4s * 4u * k4s + panel.at;
    var sums = mat4x4<f32>(); // a row of y per column
    for (var c4 = 0u; c4 < c4s; c4++) {
        let real = real_lanes(c4, params.c);
        let zero = vec4<f32>(0.0);
        let m = mat4x4<f32>(
            w[wb],
            select(zero, w[wb + width], real.y),
            select(zero, w[wb + 2u * width], real.z),
            select(zero, w[wb + 3u * width], real.w),
        );
        sums += m * mat4x4<f32>(
            mask_lanes(x[at.x + c4], c4, params.c),
            mask_lanes(x[at.y + c4], c4, params.c),
            mask_lanes(x[at.z + c4], c4, params.c),
            mask_lanes(x[at.w + c4], c4, params.c),
        );
        wb += 4u * width;
    }
    for (var j = 0u; j < min(4u, params.rows - row); j++) {
        y[(batch * params.rows + row + j) * k4s + k4] = mask_lanes(sums[j], k4, params.k);
    }
}
