// Common parts of the cooperative-matrix variants of conv2d: operands fetched and staged as f16,
// and the epilogue. Joined behind lib/conv2d_gather.wgsl, and before lib/cooperative_16.wgsl or its
// like, whose rows are pixels here and whose depth is input channels.

// Groups of four input channels in one step.
const STEP: u32 = DEPTH / 4u;
const X_EACH: u32 = ROWS * STEP / LANES;
const W_EACH: u32 = 4u * STEP * CHANNELS4 / LANES; // input channels whose weights a lane fetches

// For each group of four channels in `sums`, the bits of the positive ones.
var<workgroup> bits: array<u32, 256>;

// What a lane fetches: pixels of one group of channels, and weights of neighbouring channels of one
// group.
struct Fetcher {
    sources: array<From, X_EACH>,
    x_walk: Walk,   // from the first group of all to where its walks begin
    w_walk: Walk,
    step: Walk,
    x_ahead: u32,   // vec4s behind those that the walks give
    w_ahead: u32,
    x_second: bool, // whether it fetches from the second half of a step
    w_second: bool,
    x_slot: u32,    // where it stages
    w_slot: u32,
}

// If input channels come in sixteens, all lanes walk alike, with the first groups of both halves of
// a step, of which each reads one tap; else each lane walks with its own groups.
struct Walks {
    x: Walk, // or the first half
    w: Walk, // or the second half
}

struct Operands {
    x: Fetched,
    w: array<vec4<f32>, W_EACH>,
}

fn tile_of(g: u32) -> Place {
    return place_of(g, ROWS, CHANNELS4);
}

fn is_real(place: Place) -> bool {
    return place.real;
}

fn reads_nan() -> bool {
    return has_nan(x[0]);
}

fn fetcher_of(place: Place, lane: u32) -> Fetcher {
    var f = Fetcher();
    let taps = taps_of(place.class_yx);
    let size = plane();
    let k4s = (params.k + 3u) / 4u;
    for (var i = 0u; i < X_EACH; i++) {
        let q = place.q + lane / STEP + i * (LANES / STEP);
        f.sources[i] = from_of(pixel_at(q, size), place, taps);
    }
    let x_group = lane % STEP;
    // Of 32 neighbours, eight fetch weights of other input channels and four of other columns: so
    // they read runs of memory, and few of them write to the same bank.
    let column = lane % 4u + lane / 32u % 4u * 4u;
    let w_row = (lane / 4u % 8u + lane / 128u * 8u) * W_EACH;
    let whole = WHOLE == 1u;
    f.x_walk = digits(select(x_group, 0u, whole), taps);
    f.w_walk = digits(select(w_row / 4u, STEP / 2u, whole), taps);
    f.step = digits(STEP, taps);
    f.x_ahead = select(0u, x_group % 4u, whole);
    f.w_ahead = select(w_row % 4u, w_row % 16u, whole) * k4s + min(place.k4 + column, k4s - 1u);
    f.x_second = x_group >= STEP / 2u;
    f.w_second = w_row >= 16u;
    f.x_slot = lane / STEP * PITCH + 4u * x_group;
    f.w_slot = 4u * column * PITCH + w_row;
    return f;
}

fn steps_of(place: Place) -> u32 {
    let taps = taps_of(place.class_yx);
    let groups = (place.end_copy - place.first_copy) * taps.x * taps.y * channels4_in();
    return (groups + STEP - 1u) / STEP;
}

fn walk_from(place: Place, f: Fetcher) -> Walks {
    let taps = taps_of(place.class_yx);
    // A class may have no taps.
    let none = Walk(0u, 0u, 0u, select(place.end_copy, 0u, steps_of(place) > 0u));
    return Walks(walk_by(none, f.x_walk, taps), walk_by(none, f.w_walk, taps));
}

fn walk_on(place: Place, f: Fetcher, at: Walks) -> Walks {
    let taps = taps_of(place.class_yx);
    return Walks(walk_by(at.x, f.step, taps), walk_by(at.w, f.step, taps));
}

// Past the end it fetches pixels that are outside, and weights that are multiplied by their zeros.
fn fetch(place: Place, f: Fetcher, at: Walks) -> Operands {
    var result = Operands();
    var reach = reach_of(place, at.x, 0u);
    var first_w = weights_at(place, at.w);
    if WHOLE == 1u {
        let second = reach_of(place, at.w, 0u);
        reach.bits = select(reach.bits, second.bits, f.x_second);
        reach.moved = select(reach.moved, second.moved, f.x_second);
        reach.at = select(reach.at, second.at, f.x_second) + f.x_ahead;
        reach.word = select(reach.word, second.word, f.x_second) + f.x_ahead;
        first_w = select(weights_at(place, at.x), first_w, f.w_second);
    }
    result.x = fetch_x(f.sources, reach);
    for (var i = 0u; i < W_EACH; i++) {
        result.w[i] = w[first_w + f.w_ahead + i * ((params.k + 3u) / 4u)];
    }
    return result;
}

fn put_x(slot: u32, h: vec4<f16>) {
    row_tile[slot] = h.x;
    row_tile[slot + 1u] = h.y;
    row_tile[slot + 2u] = h.z;
    row_tile[slot + 3u] = h.w;
}

// Four of the weights that a lane fetches, from the one of number `first` on, those of an output
// channel together.
fn put_w(slot: u32, first: u32, h: vec4<f16>) {
    for (var j = 0u; j < 4u; j++) {
        let i = first + j;
        column_tile[slot + i / W_EACH * PITCH + i % W_EACH] = h[j];
    }
}

// Stages what was fetched. What may be past the range of f16 is so rare that it is staged twice,
// the second time by `half4`; if `exactly`, all is.
fn stage(f: Fetcher, fetched: Operands, exactly: bool) {
    var most = vec4<f32>();
    for (var i = 0u; i < X_EACH; i++) {
        let slot = f.x_slot + i * (LANES / STEP) * PITCH;
        if MASK_IN == 0u && WHOLE == 1u {
            // A product with 0 or 1 costs nothing where the conversion is one too.
            let v = fetched.x.x[i];
            most = max(abs(v), most);
            put_x(slot, vec4<f16>(v * select(0.0, 1.0, fetched.x.inside[i])));
        } else {
            let v = masked(fetched.x, i, f.sources[i]);
            most = max(abs(v), most);
            put_x(slot, vec4<f16>(v));
        }
    }
    var ws: array<vec4<f32>, W_EACH>;
    for (var i = 0u; i < 4u * W_EACH; i++) {
        ws[i / 4u][i % 4u] = fetched.w[i % W_EACH][i / W_EACH];
    }
    for (var i = 0u; i < W_EACH; i++) {
        most = max(abs(ws[i]), most);
        put_w(f.w_slot, 4u * i, vec4<f16>(ws[i]));
    }
    let turns = select(0u, 1u, exactly || past_range(most));
    for (var turn = 0u; turn < turns; turn++) {
        for (var i = 0u; i < X_EACH; i++) {
            let slot = f.x_slot + i * (LANES / STEP) * PITCH;
            put_x(slot, half4(masked(fetched.x, i, f.sources[i])));
        }
        for (var i = 0u; i < W_EACH; i++) {
            put_w(f.w_slot, 4u * i, half4(ws[i]));
        }
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
