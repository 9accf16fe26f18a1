// The engine of conv2d's variants `tile128` to `tile16`: 8 x 8 results a lane, tiles in workgroup
// memory. Joined behind lib/tile8_step.wgsl, whose rows are pixels, lib/conv2d_octet.wgsl and
// lib/conv2d_gather.wgsl.
//
// 64 results take eight loads of pixels and eight of weights for 256 multiply-adds, few enough for
// the bandwidth of workgroup memory. A step moves on by adding digits, without divisions. WHOLE
// says that a step always reads one tap.

// Steps of one partial sum: 64 input channels, as in the other variants.
const BLOCK_STEPS: u32 = 16u / STEP;

// Weights that a lane has fetched.
struct Weights {
    v: array<vec4<f32>, W_EACH>,
    real: bool,
}

// Fetches weights of the group `at`, `ahead` vec4s behind its first.
fn fetch_w(place: Place, at: Walk, ahead: u32) -> Weights {
    var result = Weights();
    let k4s = (params.k + 3u) / 4u;
    result.real = at.copy < place.end_copy - place.first_copy;
    let first = weights_at(place, at) + ahead;
    for (var i = 0u; i < W_EACH; i++) {
        result.v[i] = w[first + i * k4s];
    }
    return result;
}

fn compute_tile(group: u32, lane: u32) {
    let place = place_of(group, ROWS, CHANNELS4);
    if !place.real {
        return;
    }
    let k4s = (params.k + 3u) / 4u;
    let taps = taps_of(place.class_yx);
    let groups = (place.end_copy - place.first_copy) * taps.x * taps.y * channels4_in();
    let steps = (groups + STEP - 1u) / STEP;

    // Neighbouring lanes fetch the groups of a step, of the same pixel, and neighbouring columns of
    // the weights.
    let size = plane();
    let x_group = lane % STEP;
    var sources: array<From, X_EACH>;
    for (var i = 0u; i < X_EACH; i++) {
        let q = place.q + lane / STEP + i * (LANES / STEP);
        sources[i] = from_of(pixel_at(q, size), place, taps);
    }
    let w_row = lane / CHANNELS4 * W_EACH % (4u * STEP);
    let w_column = min(place.k4 + lane % CHANNELS4, k4s - 1u);
    // If a step reads one tap, all lanes walk with its first group.
    let x_ahead = select(0u, x_group, WHOLE == 1u);
    let w_group = w_row / 4u;
    let w_ahead = (w_row % 4u + select(0u, 4u * w_group, WHOLE == 1u)) * k4s + w_column;
    let by = digits(STEP, taps);
    // A class may have no taps.
    let none = Walk(0u, 0u, 0u, select(place.end_copy, 0u, steps > 0u));
    var x_at = walk_by(none, digits(x_group - x_ahead, taps), taps);
    var w_at = walk_by(none, digits(select(w_group, 0u, WHOLE == 1u), taps), taps);

    // Lanes work on neighbouring channels of a few octets of pixels.
    let k = lane % (CHANNELS4 / 2u);
    let octet = lane / (CHANNELS4 / 2u);
    let octet_at = octet * OCTET;
    let x_pixel = lane / STEP;
    let x_slot = x_pixel / 8u * OCTET + x_pixel % 8u * STEP + x_group;
    let w_slot = w_row * CHANNELS4 + lane % CHANNELS4;

    var next_x = fetch_x(sources, reach_of(place, x_at, x_ahead));
    var next_w = fetch_w(place, w_at, w_ahead);
    var t = Tile();
    for (var block = 0u; block < steps; block += BLOCK_STEPS) {
        var b = Tile();
        for (var step = block; step < min(block + BLOCK_STEPS, steps); step++) {
            workgroupBarrier(); // all lanes have read the previous step
            for (var i = 0u; i < X_EACH; i++) {
                let slot = x_slot + i * (LANES / STEP / 8u * OCTET);
                x_tile[slot] = operand(masked(next_x, i, sources[i]));
            }
            if W_EACH * lane < WEIGHTS {
                for (var i = 0u; i < W_EACH; i++) {
                    // A step of whole taps has no groups past the end.
                    let real = next_w.real || WHOLE == 1u;
                    let v = select(vec4<f32>(0.0), next_w.v[i], real);
                    w_tile[w_slot + i * CHANNELS4] = operand(v);
                }
            }
            workgroupBarrier();
            x_at = walk_by(x_at, by, taps);
            w_at = walk_by(w_at, by, taps);
            next_x = fetch_x(sources, reach_of(place, x_at, x_ahead));
            next_w = fetch_w(place, w_at, w_ahead);
            b = add_step(octet_at, k, b);
        }
        t = plus(t, b);
    }
    put_octet(place, octet, place.k4 + k, t.left_a, t.left_b);
    put_octet(place, octet, place.k4 + k + CHANNELS4 / 2u, t.right_a, t.right_b);
}
