// Weight gradient of a convolution, in partial sums over chunks of pixels: subgroups of eight.
//
//   partial[j,r,s,c,k] = sum over pixels (n,oy,ox) of chunk j of
//                    x[n, oy * stride + r - padding, ox * stride + s - padding, c] dy[n,oy,ox,k]
//
// A subgroup computes 4 row groups (16 rows) x 32 output channels. For two pixels at a time, lane i
// loads row group i % 4 of pixel i / 4; broadcasts bring the 32 values to the lanes, each of which
// holds four output channels.
//
// Grid:    one workgroup of one subgroup per (32 output channels, 4 row groups, chunk).
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
    let m_tiles = (row_groups() + 3u) / 4u;
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
    let row = row_at(m_tile * 4u + lane % 4u);
    let ahead = lane / 4u;
    let lines = params.images * params.y_h;
    let end = min((chunk + 1u) * params.chunk_rows, lines);
    var t0 = mat4x4<f32>();
    var t1 = mat4x4<f32>();
    var t2 = mat4x4<f32>();
    var t3 = mat4x4<f32>();
    for (var y = chunk * params.chunk_rows; y < end; y++) {
        let line = line_of(row, y);
        for (var ox = 0u; ox < params.y_w; ox += 2u) {
            let v = load_x(line, row, ox + ahead);
            let at = y * params.y_w + ox;
            let d0 = load_dy(at, k4_read);
            // At the end of an odd row there is no second pixel: x is 0 there, and the first one's
            // dy stands in.
            let second = select(at, at + 1u, ox + 1u < params.y_w);
            let d1 = load_dy(second, k4_read);
            t0 = outer(subgroupBroadcast(v, 4u), d1, outer(subgroupBroadcast(v, 0u), d0, t0));
            t1 = outer(subgroupBroadcast(v, 5u), d1, outer(subgroupBroadcast(v, 1u), d0, t1));
            t2 = outer(subgroupBroadcast(v, 6u), d1, outer(subgroupBroadcast(v, 2u), d0, t2));
            t3 = outer(subgroupBroadcast(v, 7u), d1, outer(subgroupBroadcast(v, 3u), d0, t3));
        }
    }
    if k4 < k4s {
        let m = m_tile * 4u;
        store(chunk, m, k4, t0);
        if m + 1u < row_groups() {
            store(chunk, m + 1u, k4, t1);
        }
        if m + 2u < row_groups() {
            store(chunk, m + 2u, k4, t2);
        }
        if m + 3u < row_groups() {
            store(chunk, m + 3u, k4, t3);
        }
    }
}
