// Batched products of matrices: subgroups of eight lanes.
//
//   y[b, row, k] = sum over c of x[b, row, c] w[b, c, k]
//
// A subgroup computes 32 rows x 32 columns: lane i loads rows i, i + 8, i + 16 and i + 24 (four
// values of c at a time) and holds columns 4 i .. 4 i + 3 of all 32 rows; values of x reach the
// other lanes by broadcast, which costs 1-2 cycles on llvmpipe where a load costs 50.
//
// Grid:    one workgroup of one subgroup per (32 columns, 32 rows, batch), columns fastest.
// Twin:    src/kernels/matmul/mod.rs
// Source:  the definition; NumPy's matmul.

struct Tile {
    a: mat4x4<f32>, // rows 0..4, a column each
    b: mat4x4<f32>, // rows 4..8
}

// Four c of eight rows (lane i holds row i) times their columns. The four products of an element
// are added up before the sum so far: a quarter of the steps in which long sums round, and as many
// operations where multiplying and adding are two.
fn outer4(v: vec4<f32>, m: mat4x4<f32>, t: Tile) -> Tile {
    return Tile(
        t.a + mat4x4<f32>(
            m * subgroupBroadcast(v, 0u),
            m * subgroupBroadcast(v, 1u),
            m * subgroupBroadcast(v, 2u),
            m * subgroupBroadcast(v, 3u),
        ),
        t.b + mat4x4<f32>(
            m * subgroupBroadcast(v, 4u),
            m * subgroupBroadcast(v, 5u),
            m * subgroupBroadcast(v, 6u),
            m * subgroupBroadcast(v, 7u),
        ),
    );
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let k4s = (params.k + 3u) / 4u;
    let c4s = (params.c + 3u) / 4u;
    let k_tiles = (k4s + 7u) / 8u;
    let row_tiles = (params.rows + 31u) / 32u;
    let g = group_index(group, groups);
    let k_tile = g % k_tiles;
    let row = (g / k_tiles) % row_tiles * 32u;
    let batch = g / (k_tiles * row_tiles);
    if batch >= params.batches {
        return;
    }
    // Lanes past the last column, and rows past the last row, repeat it and store nothing.
    let k4 = k_tile * 8u + lane;
    let k4_read = min(k4, k4s - 1u);
    let last = params.rows - 1u;
    let first = batch * params.rows;
    let x0 = (first + min(row + lane, last)) * c4s;
    let x1 = (first + min(row + lane + 8u, last)) * c4s;
    let x2 = (first + min(row + lane + 16u, last)) * c4s;
    let x3 = (first + min(row + lane + 24u, last)) * c4s;
    var t0 = Tile();
    var t1 = Tile();
    var t2 = Tile();
    var t3 = Tile();
    let panel = panel_of(k4_read, 4u * c4s, k4s);
    let width = panel.width;
    var wb = batch * c4s * 4u * k4s + panel.at;
    for (var c4 = 0u; c4 < params.c / 4u; c4++) {
        let m = mat4x4<f32>(w[wb], w[wb + width], w[wb + 2u * width], w[wb + 3u * width]);
        t0 = outer4(x[x0 + c4], m, t0);
        t1 = outer4(x[x1 + c4], m, t1);
        t2 = outer4(x[x2 + c4], m, t2);
        t3 = outer4(x[x3 + c4], m, t3);
        wb += 4u * width;
    }
    if params.c % 4u != 0u {
        let c4 = c4s - 1u;
        let real = real_lanes(c4, params.c);
        let zero = vec4<f32>(0.0);
        let m = mat4x4<f32>(
            w[wb],
            select(zero, w[wb + width], real.y),
            select(zero, w[wb + 2u * width], real.z),
            zero,
        );
        t0 = outer4(mask_lanes(x[x0 + c4], c4, params.c), m, t0);
        t1 = outer4(mask_lanes(x[x1 + c4], c4, params.c), m, t1);
        t2 = outer4(mask_lanes(x[x2 + c4], c4, params.c), m, t2);
        t3 = outer4(mask_lanes(x[x3 + c4], c4, params.c), m, t3);
    }
    if k4 < k4s {
        write(t0, first, row, k4);
        write(t1, first, row + 8u, k4);
        write(t2, first, row + 16u, k4);
        write(t3, first, row + 24u, k4);
    }
}

// Stores eight rows of four columns.
fn write(t: Tile, first: u32, row: u32, k4: u32) {
    write4(t.a, first, row, k4);
    write4(t.b, first, row + 4u, k4);
}

fn write4(t: mat4x4<f32>, first: u32, row: u32, k4: u32) {
    let k4s = (params.k + 3u) / 4u;
    let at = (first + row) * k4s + k4;
    if row < params.rows {
        y[at] = mask_lanes(t[0], k4, params.k);
    }
    if row + 1u < params.rows {
        y[at + k4s] = mask_lanes(t[1], k4, params.k);
    }
    if row + 2u < params.rows {
        y[at + 2u * k4s] = mask_lanes(t[2], k4, params.k);
    }
    if row + 3u < params.rows {
        y[at + 3u * k4s] = mask_lanes(t[3], k4, params.k);
    }
}
