// Weight gradient of a convolution, in partial sums over chunks of pixels: subgroups of 8, 32 rows.
//
//   partial[j,r,s,c,k] = sum over pixels (n,oy,ox) of chunk j of
//                    x[n, oy * stride + r - padding, ox * stride + s - padding, c] dy[n,oy,ox,k]
//
// A subgroup computes 8 row groups (32 rows) x 32 output channels. For each pixel lane i loads row
// group i; broadcasts bring the 32 values to the lanes, each of which holds four output channels.
//
// Grid:    one workgroup of one subgroup per (32 output channels, 8 row groups, chunk).
// Twin:    src/kernels/conv/conv2d_grad_weight.rs
// Source:  PyTorch conv2d's gradient. A transposed convolution's is the same, x and dy exchanged.

// Adds the products of one row group's four rows, broadcast from the lane that holds them, with dy.
fn outer(v: vec4<f32>, d: vec4<f32>, t: mat4x4<f32>) -> mat4x4<f32> {
    return t + mat4x4<f32>(v.x * d, v.y * d, v.z * d, v.w * d);
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let k4s = (params.k + 3u) / 4u;
    let k_tiles = (k4s + 7u) / 8u;
    let m_tiles = (row_groups() + 7u) / 8u;
    let g = group_index(group, groups);
    let k_tile = g % k_tiles;
    let m_tile = (g / k_tiles) % m_tiles;
    let chunk = g / (k_tiles * m_tiles);
    if chunk >= params.chunks {
        return;
    }
    // Lanes past the last channel repeat it and store nothing.
    let k4 = k_tile * 8u + lane;
    let k4_read = min(k4, k4s - 1u);
    let row = row_at(m_tile * 8u + lane);
    let lines = params.images * params.y_h;
    let end = min((chunk + 1u) * params.chunk_rows, lines);
    var t0 = mat4x4<f32>();
    var t1 = mat4x4<f32>();
    var t2 = mat4x4<f32>();
    var t3 = mat4x4<f32>();
    var t4 = mat4x4<f32>();
    var t5 = mat4x4<f32>();
    var t6 = mat4x4<f32>();
    var t7 = mat4x4<f32>();
    for (var y = chunk * params.chunk_rows; y < end; y++) {
        let line = line_of(row, y);
        for (var ox = 0u; ox < params.y_w; ox++) {
            let v = load_x(line, row, ox);
            let d = load_dy(y * params.y_w + ox, k4_read);
            t0 = outer(subgroupBroadcast(v, 0u), d, t0);
            t1 = outer(subgroupBroadcast(v, 1u), d, t1);
            t2 = outer(subgroupBroadcast(v, 2u), d, t2);
            t3 = outer(subgroupBroadcast(v, 3u), d, t3);
            t4 = outer(subgroupBroadcast(v, 4u), d, t4);
            t5 = outer(subgroupBroadcast(v, 5u), d, t5);
            t6 = outer(subgroupBroadcast(v, 6u), d, t6);
            t7 = outer(subgroupBroadcast(v, 7u), d, t7);
        }
    }
    if k4 < k4s {
        let m = m_tile * 8u;
        store(chunk, m, k4, t0);
        store_if(chunk, m + 1u, k4, t1);
        store_if(chunk, m + 2u, k4, t2);
        store_if(chunk, m + 3u, k4, t3);
        store_if(chunk, m + 4u, k4, t4);
        store_if(chunk, m + 5u, k4, t5);
        store_if(chunk, m + 6u, k4, t6);
        store_if(chunk, m + 7u, k4, t7);
    }
}

fn store_if(chunk: u32, m: u32, k4: u32, rows: mat4x4<f32>) {
    if m < row_groups() {
        store(chunk, m, k4, rows);
    }
}
