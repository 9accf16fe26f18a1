// Common parts of the cooperative-matrix variants of conv2d: operands staged as f16, and the
// epilogue. Rows of the results are pixels; the tile of a workgroup is 64 channels wide.

// [pixels, 16 input channels] and [16 input channels, 64 output channels], with rows a little
// longer than needed, so that neighbouring rows begin in different banks.
const X_PITCH: u32 = 24u;
const W_PITCH: u32 = 72u;
const CHANNELS4: u32 = 16u;

var<workgroup> x_tile: array<f16, PIXELS * X_PITCH>;
var<workgroup> w_tile: array<f16, 16u * W_PITCH>;

// For each group of four channels in `sums`, the bits of the positive ones.
var<workgroup> bits: array<u32, 256>;

// Which operands a lane fetches: four pixels, or weights of four output channels, of one group of a
// step.
struct Fetcher {
    of_x: bool,
    of_w: bool,
    ahead: u32,
    at: u32,    // quad of pixels, or group of output channels, in the tile
    quad: Quad,
}

fn fetcher_of(place: Place, lane: u32) -> Fetcher {
    let of_x = lane < PIXELS;
    let of_w = !of_x && lane < PIXELS + 4u * CHANNELS4;
    let w_lane = select(0u, lane - PIXELS, of_w);
    return Fetcher(
        of_x,
        of_w,
        select(w_lane / CHANNELS4, lane % STEP, of_x),
        select(w_lane % CHANNELS4, lane / STEP, of_x),
        quad_at(place.q + 4u * (lane / STEP)),
    );
}

fn fetch(place: Place, f: Fetcher, at: Walk) -> mat4x4<f32> {
    if f.of_x {
        return fetch_x(place, at, f.quad);
    }
    if f.of_w {
        return fetch_w(place, at, place.k4 + f.at);
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

fn stage_w(slot: u32, v: vec4<f32>) {
    let h = half4(v);
    w_tile[slot] = h.x;
    w_tile[slot + 1u] = h.y;
    w_tile[slot + 2u] = h.z;
    w_tile[slot + 3u] = h.w;
}

fn stage(f: Fetcher, m: mat4x4<f32>) {
    if f.of_x {
        let slot = 4u * f.at * X_PITCH + 4u * f.ahead;
        stage_x(slot, m[0]);
        stage_x(slot + X_PITCH, m[1]);
        stage_x(slot + 2u * X_PITCH, m[2]);
        stage_x(slot + 3u * X_PITCH, m[3]);
    } else if f.of_w {
        let slot = 4u * f.ahead * W_PITCH + 4u * f.at;
        stage_w(slot, m[0]);
        stage_w(slot + W_PITCH, m[1]);
        stage_w(slot + 2u * W_PITCH, m[2]);
        stage_w(slot + 3u * W_PITCH, m[3]);
    }
}

// Applies the epilogue to blocks of the regions region.x to region.y - 1. Block b of `sums` belongs
// to region `first_block` + b; its pixels begin at `row` and its channel groups at `column4`.
fn finish(
    place: Place,
    lane: u32,
    first_block: u32,
    region: vec2<u32>, // [x, y)
    row: u32,
    column4: u32,
) {
    workgroupBarrier();
    let size = plane();
    let k4s = (params.k + 3u) / 4u;
    let base = place.y_copy * params.images * params.y_h * params.y_w;
    for (var i = lane; i < 256u; i += WG_SIZE) {
        let r = first_block + i / 64u;
        let pixel = target_of(
            pixel_at(place.q + 32u * (r / 2u) + row + i % 64u / BLOCK_COLUMNS4, size),
            place.class_yx,
        );
        let k4 = place.k4 + 8u * (r % 2u) + column4 + i % BLOCK_COLUMNS4;
        var positive = 0u;
        if r >= region.x && r < region.y && pixel != 0xffffffffu && k4 < k4s {
            let scale = affine_at(select(0u, params.scale_offset, SCALE == 1u), k4);
            let shift = affine_at(select(0u, params.shift_offset, SHIFT == 1u), k4);
            let at = (base + pixel) * k4s + k4;
            positive = positive_bits(store(at, k4, sum4(i), scale, shift));
        }
        bits[i] = positive;
    }
    workgroupBarrier();
    if MASK_OUT == 1u && lane < 32u {
        // Words of block lane / 8: its octets of pixels, BLOCK_COLUMNS4 words each.
        let r = first_block + lane / 8u;
        let octet = lane % 8u / BLOCK_COLUMNS4;
        let column = lane % BLOCK_COLUMNS4;
        var word = 0u;
        for (var j = 0u; j < 8u; j++) {
            word |= bits[lane / 8u * 64u + (8u * octet + j) * BLOCK_COLUMNS4 + column] << (4u * j);
        }
        let octets = (params.images * size.x * size.y + 7u) / 8u;
        let at = (place.q + 32u * (r / 2u) + row) / 8u + octet;
        let k4 = place.k4 + 8u * (r % 2u) + column4 + column;
        if r >= region.x && r < region.y && at < octets && k4 < k4s {
            mask_out[(place.y_copy * octets + at) * k4s + k4] = word;
        }
    }
}
