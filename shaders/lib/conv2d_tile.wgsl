// The walk over the sum, and fetching, for the variants of conv2d that stage tiles in workgroup
// memory.
//
// A workgroup computes some pixels of one class and copy for some output channels. Input channels
// are counted in groups of four: there is a group per (copy that is summed, tap row, tap column,
// four channels), channels fastest. A step of the workgroup sums four groups, of which each
// fetching lane fetches one.

// Groups in one step, and steps in one partial sum (64 input channels, as in the other variants).
const STEP: u32 = 4u;
const BLOCK_STEPS: u32 = 4u;

// What one workgroup computes.
struct Place {
    real: bool,           // false in workgroups past the end
    k4: u32,              // first group of output channels
    q: u32,               // first pixel of the class plane
    class_yx: vec2<u32>,
    y_copy: u32,
    first_copy: u32,      // copies summed: [first_copy, end_copy)
    end_copy: u32,
}

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

// Workgroup g covers `pixels` pixels and `channels4` groups of output channels.
fn place_of(g: u32, pixels: u32, channels4: u32) -> Place {
    let size = plane();
    let k_tiles = ((params.k + 3u) / 4u + channels4 - 1u) / channels4;
    let p_tiles = (params.images * size.x * size.y + pixels - 1u) / pixels;
    let z = g / (k_tiles * p_tiles);
    let class_index = z % classes();
    let y_copy = z / classes();
    return Place(
        y_copy < select(params.copies, 1u, SUM_COPIES == 1u),
        (g % k_tiles) * channels4,
        (g / k_tiles % p_tiles) * pixels,
        class_of(class_index),
        y_copy,
        select(y_copy, 0u, SUM_COPIES == 1u),
        select(y_copy + 1u, params.copies, SUM_COPIES == 1u),
    );
}

// Rows and columns of the taps of a class.
fn taps_of(class_yx: vec2<u32>) -> vec2<u32> {
    let first = first_tap(class_yx);
    return (max(vec2<u32>(params.r, params.s), first) - first + tap_step() - 1u) / tap_step();
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
