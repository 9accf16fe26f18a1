// Common parts of the cooperative-matrix variants of conv2d_grad_weight: operands staged as f16,
// and the stores. Rows of the results are channels of taps; a workgroup computes ROWS of them x 64
// channels.

// [16 pixels, ROWS] and [16 pixels, 64 output channels], with rows a little longer than needed, so
// that neighbouring rows begin in different banks.
const X_PITCH: u32 = ROWS + 8u;
const DY_PITCH: u32 = 72u;
const CHANNELS4: u32 = 16u;
const DEPTH: u32 = 16u;

var<workgroup> x_tile: array<f16, 16u * X_PITCH>;
var<workgroup> dy_tile: array<f16, 16u * DY_PITCH>;

// What one workgroup computes.
struct Place {
    chunk: u32,
    m: u32,          // first row group
    k4: u32,         // first group of output channels
    rows: vec2<u32>, // of dy
    pixels: u32,     // 0 in workgroups past the end
}

fn place_of(g: u32) -> Place {
    let k_tiles = ((params.k + 3u) / 4u + CHANNELS4 - 1u) / CHANNELS4;
    let m_tiles = (row_groups() + ROWS / 4u - 1u) / (ROWS / 4u);
    let chunk = g / (k_tiles * m_tiles);
    let rows = rows_of(chunk);
    return Place(
        chunk,
        g / k_tiles % m_tiles * (ROWS / 4u),
        g % k_tiles * CHANNELS4,
        rows,
        select(0u, (rows.y - rows.x) * params.y_w, chunk < params.chunks),
    );
}

// Which operands a lane fetches: four pixels of a row group of x, or of a channel group of dy.
struct Fetcher {
    of_x: bool,
    of_dy: bool,
    ahead: u32, // first of its pixels in a step
    at: u32,    // row or channel group in the tile
    row: Row,
}

fn fetcher_of(place: Place, lane: u32) -> Fetcher {
    let of_x = lane < ROWS;
    let of_dy = !of_x && lane < ROWS + 4u * CHANNELS4;
    let dy_lane = select(0u, lane - ROWS, of_dy);
    let ms = ROWS / 4u;
    return Fetcher(
        of_x,
        of_dy,
        4u * select(dy_lane / CHANNELS4, lane / ms, of_x),
        select(dy_lane % CHANNELS4, lane % ms, of_x),
        row_at(place.m + lane % ms),
    );
}

fn fetch(place: Place, f: Fetcher, first: u32) -> mat4x4<f32> {
    if f.of_x {
        return fetch_x(f.row, place.rows, first + f.ahead);
    }
    if f.of_dy {
        return fetch_dy(place.k4 + f.at, place.rows, first + f.ahead);
    }
    return mat4x4<f32>();
}

fn stage_x(slot: u32, v: vec4<f32>) {
    let h = half4(v);
    x_tile[slot] = h.x;
    x_tile[slot + 1u] = h.y;
    x_tile[slot + 2u] = h.z;
    x_tile[slot + 3u] = h.w;
}

fn stage_dy(slot: u32, v: vec4<f32>) {
    let h = half4(v);
    dy_tile[slot] = h.x;
    dy_tile[slot + 1u] = h.y;
    dy_tile[slot + 2u] = h.z;
    dy_tile[slot + 3u] = h.w;
}

fn stage(f: Fetcher, m: mat4x4<f32>) {
    if f.of_x {
        let slot = f.ahead * X_PITCH + 4u * f.at;
        stage_x(slot, m[0]);
        stage_x(slot + X_PITCH, m[1]);
        stage_x(slot + 2u * X_PITCH, m[2]);
        stage_x(slot + 3u * X_PITCH, m[3]);
    } else if f.of_dy {
        let slot = f.ahead * DY_PITCH + 4u * f.at;
        stage_dy(slot, m[0]);
        stage_dy(slot + DY_PITCH, m[1]);
        stage_dy(slot + 2u * DY_PITCH, m[2]);
        stage_dy(slot + 3u * DY_PITCH, m[3]);
    }
}

// Stores blocks of the regions region.x to region.y - 1. Block b of `sums` belongs to region
// `first_block` + b; its rows begin at `row` and its channel groups at `column4`.
fn finish(
    place: Place,
    lane: u32,
    first_block: u32,
    region: vec2<u32>,
    row: u32,
    column4: u32,
) {
    workgroupBarrier();
    for (var i = lane; i < 256u; i += WG_SIZE) {
        let r = first_block + i / 64u;
        let at = 32u * (r / 2u) + row + i % 64u / BLOCK_COLUMNS4;
        let m = place.m + at / 4u;
        let k4 = place.k4 + 8u * (r % 2u) + column4 + i % BLOCK_COLUMNS4;
        let real = m < row_groups() && k4 < (params.k + 3u) / 4u;
        if r >= region.x && r < region.y && real {
            store_row(place.chunk, m, at % 4u, k4, sum4(i));
        }
    }
    workgroupBarrier();
}
