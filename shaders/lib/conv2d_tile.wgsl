// The walk over the sum, and fetching, for the variants of conv2d that stage tiles in workgroup
// memory.
//
// Input channels are counted in groups of four: there is a group per (copy that is summed, tap row,
// tap column, four channels), channels fastest. A step of the workgroup sums four groups, of which
// each fetching lane fetches one. Joined behind lib/conv2d_place.wgsl.

// Groups in one step, and steps in one partial sum (64 input channels, as in the other variants).
const STEP: u32 = 4u;
const BLOCK_STEPS: u32 = 4u;

// A group of input channels.
struct Walk {
    copy: u32, // place.end_copy past the end
    r: u32,
    s: u32,
    c4: u32,
}

// Four consecutive pixels.
struct Quad {
    a: Pixel,
    b: Pixel,
    c: Pixel,
    d: Pixel,
}

fn steps_of(place: Place) -> u32 {
    let taps = taps_of(place.class_yx);
    let groups = (place.end_copy - place.first_copy) * taps.x * taps.y * ((params.c + 3u) / 4u);
    return (groups + STEP - 1u) / STEP;
}

// The group `ahead` groups after the first one.
fn walk_from(place: Place, ahead: u32) -> Walk {
    let first = select(place.end_copy, place.first_copy, steps_of(place) > 0u);
    let tap = first_tap(place.class_yx);
    return walk_on(place, Walk(first, tap.x, tap.y, 0u), ahead);
}

fn walk_on(place: Place, start: Walk, groups: u32) -> Walk {
    let c4s = (params.c + 3u) / 4u;
    let tap = first_tap(place.class_yx);
    let step = tap_step();
    var at = start;
    at.c4 += groups;
    while at.c4 >= c4s && at.copy < place.end_copy {
        at.c4 -= c4s;
        at.s += step.y;
        if at.s >= params.s {
            at.s = tap.y;
            at.r += step.x;
        }
        if at.r >= params.r {
            at.r = tap.x;
            at.copy++;
        }
    }
    return at;
}

fn quad_at(q: u32) -> Quad {
    let size = plane();
    let a = pixel_at(q, size);
    let b = next_pixel(a, size);
    let c = next_pixel(b, size);
    return Quad(a, b, c, next_pixel(c, size));
}

// One group of input channels of four pixels, a pixel per column; not yet rounded to f16.
fn fetch_x(place: Place, at: Walk, p: Quad) -> mat4x4<f32> {
    if at.copy >= place.end_copy {
        return mat4x4<f32>();
    }
    let offset = tap_offset(vec2<u32>(at.r, at.s), place.class_yx);
    return mat4x4<f32>(
        read_x(source_of(p.a, offset, at.copy), at.c4),
        read_x(source_of(p.b, offset, at.copy), at.c4),
        read_x(source_of(p.c, offset, at.copy), at.c4),
        read_x(source_of(p.d, offset, at.copy), at.c4),
    );
}

// Weights of one group for four output channels, an input channel per column; not yet rounded.
// Lanes past the last output channel read its weights again; their results are not stored.
fn fetch_w(place: Place, at: Walk, k4: u32) -> mat4x4<f32> {
    if at.copy >= place.end_copy {
        return mat4x4<f32>();
    }
    let k4s = (params.k + 3u) / 4u;
    let tap = (at.copy * params.r + at.r) * params.s + at.s;
    let first = (tap * ((params.c + 3u) / 4u) + at.c4) * 4u * k4s + min(k4, k4s - 1u);
    return mat4x4<f32>(w[first], w[first + k4s], w[first + 2u * k4s], w[first + 3u * k4s]);
}

fn operands(m: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(operand(m[0]), operand(m[1]), operand(m[2]), operand(m[3]));
}
