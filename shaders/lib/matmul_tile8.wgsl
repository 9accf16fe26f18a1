// The engine of matmul's variants `tile128` to `tile32`: 8 x 8 results a lane, tiles in workgroup
// memory. Joined behind lib/tile8_step.wgsl, whose channels are columns and whose summands are c.
//
// As in lib/conv2d_tile8.wgsl all lanes fetch alike, from indices that are always real, and values
// are masked when they are staged, a step later, so that the loads are under way while the lanes
// multiply. Rows and columns past the end repeat the last one and are not stored.

struct Fetched {
    x: array<vec4<f32>, X_EACH>,
    w: array<vec4<f32>, W_EACH>,
}

// Fetches the group `c4` of the lane's rows, and rows of w from `c` on.
fn fetch(x_first: array<u32, X_EACH>, c4: u32, w_first: u32, c: u32, width: u32) -> Fetched {
    var result = Fetched();
    let last = params.c - 1u;
    for (var i = 0u; i < X_EACH; i++) {
        result.x[i] = x[x_first[i] + min(c4, last / 4u)];
    }
    for (var i = 0u; i < W_EACH; i++) {
        result.w[i] = w[w_first + min(c + i, last) * width];
    }
    return result;
}

// Stores four rows of four columns.
fn put(first: u32, row: u32, k4: u32, rows: mat4x4<f32>) {
    let k4s = (params.k + 3u) / 4u;
    if k4 >= k4s {
        return;
    }
    for (var j = 0u; j < 4u; j++) {
        if row + j < params.rows {
            y[(first + row + j) * k4s + k4] = mask_lanes(rows[j], k4, params.k);
        }
    }
}

fn compute_tile(group: u32, lane: u32) {
    let k4s = (params.k + 3u) / 4u;
    let c4s = (params.c + 3u) / 4u;
    let k_tiles = (k4s + CHANNELS4 - 1u) / CHANNELS4;
    let row_tiles = (params.rows + ROWS - 1u) / ROWS;
    let tile_k4 = group % k_tiles * CHANNELS4;
    let tile_row = group / k_tiles % row_tiles * ROWS;
    let batch = group / (k_tiles * row_tiles);
    if batch >= params.batches {
        return;
    }
    // Neighbouring lanes fetch the groups of a step, of the same row of x, and neighbouring columns
    // of w.
    let first = batch * params.rows;
    let x_group = lane % STEP;
    let x_row = lane / STEP;
    var x_first: array<u32, X_EACH>;
    for (var i = 0u; i < X_EACH; i++) {
        let row = tile_row + x_row + i * (LANES / STEP);
        x_first[i] = (first + min(row, params.rows - 1u)) * c4s;
    }
    let x_slot = x_row / 8u * OCTET + x_row % 8u * STEP + x_group;
    let w_row = lane / CHANNELS4 * W_EACH % (4u * STEP);
    let panel = panel_of(min(tile_k4 + lane % CHANNELS4, k4s - 1u), 4u * c4s, k4s);
    let w_first = batch * c4s * 4u * k4s + panel.at;
    let w_slot = w_row * CHANNELS4 + lane % CHANNELS4;

    // Lanes work on neighbouring columns of a few octets of rows.
    let k = lane % (CHANNELS4 / 2u);
    let octet = lane / (CHANNELS4 / 2u);
    let octet_at = octet * OCTET;

    var next = fetch(x_first, x_group, w_first, w_row, panel.width);
    var t = Tile();
    for (var c4 = 0u; c4 < c4s; c4 += STEP) {
        workgroupBarrier(); // all lanes have read the previous step
        let lanes = real_lanes(c4 + x_group, params.c);
        for (var i = 0u; i < X_EACH; i++) {
            let slot = x_slot + i * (LANES / STEP / 8u * OCTET);
            x_tile[slot] = select(vec4<f32>(0.0), next.x[i], lanes);
        }
        if W_EACH * lane < WEIGHTS {
            for (var i = 0u; i < W_EACH; i++) {
                let real = 4u * c4 + w_row + i < params.c;
                w_tile[w_slot + i * CHANNELS4] = select(vec4<f32>(0.0), next.w[i], real);
            }
        }
        workgroupBarrier();
        let ahead = c4 + STEP;
        next = fetch(x_first, ahead + x_group, w_first, 4u * ahead + w_row, panel.width);
        t = add_step(octet_at, k, t);
    }
    let row = tile_row + 8u * octet;
    let k4 = tile_k4 + k;
    put(first, row, k4, t.left_a);
    put(first, row + 4u, k4, t.left_b);
    put(first, row, k4 + CHANNELS4 / 2u, t.right_a);
    put(first, row + 4u, k4 + CHANNELS4 / 2u, t.right_b);
}
