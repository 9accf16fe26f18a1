// Common parts of the cooperative-matrix variants of conv2d_grad_weight: operands fetched and
// staged as f16, and the stores. Joined behind lib/conv2d_grad_weight_spots.wgsl, and before
// lib/cooperative_16.wgsl or its like, whose rows are channels of taps here and whose depth is
// pixels.
//
// Padding lanes are masked where results are stored: no product of matrices mixes them with others.

const DY_EACH: u32 = DEPTH * CHANNELS4 / LANES; // pixels of dy that a lane fetches
const X_LANES: u32 = ROWS / 8u; // that fetch the same pixels, of two row groups each

// What one workgroup computes.
struct Place {
    chunk: u32,
    m: u32,      // first row group
    k4: u32,     // first group of output channels
    line: u32,   // first row of dy
    pixels: u32, // 0 in workgroups past the end
}

fn tile_of(g: u32) -> Place {
    let k_tiles = ((params.k + 3u) / 4u + CHANNELS4 - 1u) / CHANNELS4;
    let m_tiles = (row_groups() + ROWS / 4u - 1u) / (ROWS / 4u);
    let chunk = g / (k_tiles * m_tiles);
    let line = chunk * params.chunk_rows;
    let end = min(line + params.chunk_rows, params.images * params.y_h);
    return Place(
        chunk,
        g / k_tiles % m_tiles * (ROWS / 4u),
        g % k_tiles * CHANNELS4,
        line,
        select(0u, (end - line) * params.y_w, chunk < params.chunks),
    );
}

fn is_real(place: Place) -> bool {
    return place.pixels > 0u;
}

fn steps_of(place: Place) -> u32 {
    return (place.pixels + DEPTH - 1u) / DEPTH;
}

fn reads_nan() -> bool {
    return has_nan(x[0]) || has_nan(dy[0]);
}

// What a lane fetches: two pixels of two row groups of x, and DY_EACH pixels of dy.
struct Fetcher {
    reaches: array<Reach, 2>,
    stride: Stride,
    x_pixel: u32,  // the first one of a step
    dy_pixel: u32,
    dy_column: u32,
    x_slot: u32,   // where it stages
    dy_slot: u32,
}

// Where the fetching is.
struct Walk {
    a: Spot, // the two pixels
    b: Spot,
    dy: u32,
    left: u32, // pixels of the chunk from the step's first on
}

struct Fetched {
    x: array<vec4<f32>, 4>, // pixel a of both row groups, then b
    inside: array<bool, 4>,
    dy: array<vec4<f32>, DY_EACH>,
    real: array<bool, DY_EACH>,
}

// Of 32 neighbours, eight fetch other pixels and four other row groups or channels: so they read
// runs of memory, and few of them write to the same bank.
fn fetcher_of(place: Place, lane: u32) -> Fetcher {
    let pair = lane % 4u + lane / 32u % (X_LANES / 4u) * 4u;
    let pixel = 2u * (lane / 4u % 8u + lane / (8u * X_LANES) * 8u);
    let column = lane % 4u + lane / 32u % (CHANNELS4 / 4u) * 4u;
    let dy_pixel = DY_EACH * (lane / 4u % 8u + lane / (8u * CHANNELS4) * 8u);
    return Fetcher(
        array<Reach, 2>(reach_of(place.m + pair), reach_of(place.m + pair + X_LANES)),
        stride_of_step(),
        pixel,
        dy_pixel,
        column,
        4u * pair * PITCH + pixel,
        4u * column * PITCH + dy_pixel,
    );
}

fn walk_from(place: Place, f: Fetcher) -> Walk {
    let k4s = (params.k + 3u) / 4u;
    let a = f.x_pixel;
    let b = f.x_pixel + 1u;
    let column = min(place.k4 + f.dy_column, k4s - 1u);
    return Walk(
        spot_at(place.line + a / params.y_w, a % params.y_w),
        spot_at(place.line + b / params.y_w, b % params.y_w),
        (place.line * params.y_w + f.dy_pixel) * k4s + column,
        place.pixels,
    );
}

fn walk_on(place: Place, f: Fetcher, at: Walk) -> Walk {
    return Walk(
        next_spot(at.a, f.stride),
        next_spot(at.b, f.stride),
        at.dy + DEPTH * ((params.k + 3u) / 4u),
        at.left - min(at.left, DEPTH),
    );
}

fn fetch(place: Place, f: Fetcher, at: Walk) -> Fetched {
    var result = Fetched();
    let k4s = (params.k + 3u) / 4u;
    for (var i = 0u; i < 2u; i++) {
        let reach = f.reaches[i];
        let a = f.x_pixel < at.left && is_inside(at.a, reach);
        let b = f.x_pixel + 1u < at.left && is_inside(at.b, reach);
        result.inside[i] = a;
        result.inside[2u + i] = b;
        result.x[i] = x[select(0u, at.a.at + reach.at, a)];
        result.x[2u + i] = x[select(0u, at.b.at + reach.at, b)];
    }
    for (var i = 0u; i < DY_EACH; i++) {
        let real = f.dy_pixel + i < at.left;
        result.real[i] = real;
        result.dy[i] = dy[select(0u, at.dy + i * k4s, real)];
    }
    return result;
}

// Two pixels of a row group.
fn put_x(slot: u32, a: vec4<f16>, b: vec4<f16>) {
    for (var j = 0u; j < 4u; j++) {
        row_tile[slot + j * PITCH] = a[j];
        row_tile[slot + j * PITCH + 1u] = b[j];
    }
}

fn put_dy(slot: u32, h: array<vec4<f16>, DY_EACH>) {
    for (var j = 0u; j < 4u; j++) {
        for (var i = 0u; i < DY_EACH; i++) {
            column_tile[slot + j * PITCH + i] = h[i][j];
        }
    }
}

// A product with 0 or 1 costs nothing where the conversion is one too.
fn kept(v: vec4<f32>, real: bool) -> vec4<f16> {
    return vec4<f16>(v * select(0.0, 1.0, real));
}

// The same for any value.
fn kept_exactly(v: vec4<f32>, real: bool) -> vec4<f16> {
    return half4(select(vec4<f32>(0.0), v, real));
}

// Stages what was fetched. What may be past the range of f16 is so rare that it is staged twice,
// the second time by `half4`; if `exactly`, all is.
fn stage(f: Fetcher, fetched: Fetched, exactly: bool) {
    let second = f.x_slot + 4u * X_LANES * PITCH;
    let v = fetched.x;
    let inside = fetched.inside;
    var most = max(max(abs(v[0]), abs(v[1])), max(abs(v[2]), abs(v[3])));
    put_x(f.x_slot, kept(v[0], inside[0]), kept(v[2], inside[2]));
    put_x(second, kept(v[1], inside[1]), kept(v[3], inside[3]));
    var h: array<vec4<f16>, DY_EACH>;
    for (var i = 0u; i < DY_EACH; i++) {
        most = max(abs(fetched.dy[i]), most);
        h[i] = kept(fetched.dy[i], fetched.real[i]);
    }
    put_dy(f.dy_slot, h);
    let turns = select(0u, 1u, exactly || past_range(most));
    for (var turn = 0u; turn < turns; turn++) {
        put_x(f.x_slot, kept_exactly(v[0], inside[0]), kept_exactly(v[2], inside[2]));
        put_x(second, kept_exactly(v[1], inside[1]), kept_exactly(v[3], inside[3]));
        for (var i = 0u; i < DY_EACH; i++) {
            h[i] = kept_exactly(fetched.dy[i], fetched.real[i]);
        }
        put_dy(f.dy_slot, h);
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
            // 0 in rows of channels that there are not.
            let channel = 4u * row_at(m).c4 + at % 4u;
            let v = select(vec4<f32>(0.0), sum4(i), channel < params.c);
            store_row(place.chunk, m, at % 4u, k4, v);
        }
    }
    workgroupBarrier();
}
