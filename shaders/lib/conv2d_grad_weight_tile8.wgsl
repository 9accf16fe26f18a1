// The engine of conv2d_grad_weight's variants `tile128` to `tile16`: 8 x 8 results a lane, tiles in
// workgroup memory. Joined behind lib/tile8.wgsl and lib/conv2d_grad_weight_spots.wgsl; a variant
// says:
//
//   ROWS, CHANNELS4   row groups and groups of four output channels of a workgroup
//   DEPTH             pixels that one step sums
//
// A lane fetches several row groups of one pixel. Padding lanes are masked where results are
// stored: no sum mixes them with others.

const LANES: u32 = ROWS * CHANNELS4 / 4u;
const X_EACH: u32 = ROWS * DEPTH / LANES;
const X_LANES: u32 = LANES / DEPTH; // lanes that fetch one pixel
const DY: u32 = DEPTH * CHANNELS4;
const DY_EACH: u32 = (DY + LANES - 1u) / LANES;
const DY_STEP: u32 = LANES / CHANNELS4; // pixels of dy from one fetch of a lane to the next

// [pixel, row groups] and [pixel, four output channels].
var<workgroup> x_tile: array<vec4<f32>, DEPTH * ROWS>;
var<workgroup> dy_tile: array<vec4<f32>, DY>;

struct Fetched {
    x: array<vec4<f32>, X_EACH>,
    inside: array<bool, X_EACH>,
    dy: array<vec4<f32>, DY_EACH>,
    real: array<bool, DY_EACH>,
}

// Fetches row groups of the lane's pixel, and dy from `dy_at` on. `left` counts the chunk's pixels
// from the step's first on.
fn fetch(
    left: u32,
    spot: Spot,
    lane: u32,
    reaches: array<Reach, X_EACH>,
    dy_at: u32,
) -> Fetched {
    var result = Fetched();
    let k4s = (params.k + 3u) / 4u;
    let here = lane / X_LANES < left;
    for (var i = 0u; i < X_EACH; i++) {
        let inside = here && is_inside(spot, reaches[i]);
        result.inside[i] = inside;
        result.x[i] = x[select(0u, spot.at + reaches[i].at, inside)];
    }
    for (var i = 0u; i < DY_EACH; i++) {
        let real = lane / CHANNELS4 % DEPTH + i * DY_STEP < left;
        result.real[i] = real;
        result.dy[i] = dy[select(0u, dy_at + i * DY_STEP * k4s, real)];
    }
    return result;
}

fn add_pixel(p: u32, pair: u32, k: u32, t: Tile) -> Tile {
    let at = p * ROWS + pair;
    let row = p * CHANNELS4 + k;
    return outer(x_tile[at], x_tile[at + 1u], dy_tile[row], dy_tile[row + CHANNELS4 / 2u], t);
}

fn add_pixels(p: u32, pair: u32, k: u32, t: Tile) -> Tile {
    let t2 = add_pixel(p + 1u, pair, k, add_pixel(p, pair, k, t));
    return add_pixel(p + 3u, pair, k, add_pixel(p + 2u, pair, k, t2));
}

// Stores a row group of four output channels, 0 in rows of channels that there are not.
fn put(chunk: u32, m: u32, k4: u32, rows: mat4x4<f32>) {
    if m >= row_groups() || k4 >= (params.k + 3u) / 4u {
        return;
    }
    let real = real_lanes(row_at(m).c4, params.c);
    let zero = vec4<f32>(0.0);
    store_row(chunk, m, 0u, k4, select(zero, rows[0], real.x));
    store_row(chunk, m, 1u, k4, select(zero, rows[1], real.y));
    store_row(chunk, m, 2u, k4, select(zero, rows[2], real.z));
    store_row(chunk, m, 3u, k4, select(zero, rows[3], real.w));
}

fn compute_tile(group: u32, lane: u32) {
    let k4s = (params.k + 3u) / 4u;
    let k_tiles = (k4s + CHANNELS4 - 1u) / CHANNELS4;
    let m_tiles = (row_groups() + ROWS - 1u) / ROWS;
    let k_tile = group % k_tiles;
    let m_tile = group / k_tiles % m_tiles;
    let chunk = group / (k_tiles * m_tiles);
    if chunk >= params.chunks {
        return;
    }
    let first_row = chunk * params.chunk_rows;
    let end_row = min(first_row + params.chunk_rows, params.images * params.y_h);
    let pixels = (end_row - first_row) * params.y_w;

    // Neighbouring lanes fetch neighbouring row groups of a pixel, and neighbouring channels of dy.
    let ahead = lane / X_LANES;
    let x_slot = ahead * ROWS + lane % X_LANES;
    var reaches: array<Reach, X_EACH>;
    for (var i = 0u; i < X_EACH; i++) {
        reaches[i] = reach_of(m_tile * ROWS + lane % X_LANES + i * X_LANES);
    }
    let dy_ahead = lane / CHANNELS4 % DEPTH;
    let dy_column = min(k_tile * CHANNELS4 + lane % CHANNELS4, k4s - 1u);
    let dy_slot = dy_ahead * CHANNELS4 + lane % CHANNELS4;
    var dy_at = (first_row * params.y_w + dy_ahead) * k4s + dy_column;
    var spot = spot_at(first_row + ahead / params.y_w, ahead % params.y_w);

    let k = lane % (CHANNELS4 / 2u);
    let pair = lane / (CHANNELS4 / 2u) * 2u;

    let stride = stride_of_step();
    var next = fetch(pixels, spot, lane, reaches, dy_at);
    var t = Tile();
    for (var at = 0u; at < pixels; at += DEPTH) {
        workgroupBarrier(); // all lanes have read the previous pixels
        for (var i = 0u; i < X_EACH; i++) {
            let v = select(vec4<f32>(0.0), next.x[i], next.inside[i]);
            x_tile[x_slot + i * X_LANES] = operand(v);
        }
        if DY_EACH * lane < DY {
            for (var i = 0u; i < DY_EACH; i++) {
                let v = select(vec4<f32>(0.0), next.dy[i], next.real[i]);
                dy_tile[dy_slot + i * DY_STEP * CHANNELS4] = operand(v);
            }
        }
        workgroupBarrier();
        spot = next_spot(spot, stride);
        dy_at += DEPTH * k4s;
        let left = pixels - min(pixels, at + DEPTH);
        next = fetch(left, spot, lane, reaches, dy_at);
        // Unrolled by hand: behind a loop the compiler would wait for the loads first.
        t = add_pixels(0u, pair, k, t);
        t = add_pixels(4u, pair, k, t);
        if DEPTH > 8u {
            t = add_pixels(8u, pair, k, t);
            t = add_pixels(12u, pair, k, t);
        }
    }
    let m = m_tile * ROWS + pair;
    let k4 = k_tile * CHANNELS4 + k;
    put(chunk, m, k4, t.left_a);
    put(chunk, m + 1u, k4, t.left_b);
    put(chunk, m, k4 + CHANNELS4 / 2u, t.right_a);
    put(chunk, m + 1u, k4 + CHANNELS4 / 2u, t.right_b);
}
