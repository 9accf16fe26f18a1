// One step of a product whose rows and channels are staged in workgroup memory, for tiles of 8 x 8
// results a lane. Joined behind lib/tile8.wgsl. A variant says:
//
//   ROWS, CHANNELS4   rows (pixels) and groups of four channels of a workgroup
//   STEP              groups of four summands (input channels) that one step sums
//   GAP               1: a vec4 lies unused behind each octet of rows

const LANES: u32 = ROWS * CHANNELS4 / 16u;
const X_EACH: u32 = ROWS * STEP / LANES;
// Weights of a step, of which each lane fetches one or two; half of the lanes may fetch in vain.
const WEIGHTS: u32 = 4u * STEP * CHANNELS4;
const W_EACH: u32 = (WEIGHTS + LANES - 1u) / LANES;
const OCTET: u32 = 8u * STEP + GAP;

// [row, group of summands] and [summand, four channels].
var<workgroup> x_tile: array<vec4<f32>, ROWS / 8u * OCTET>;
var<workgroup> w_tile: array<vec4<f32>, WEIGHTS>;

// Adds four summands.
fn add_group(group: u32, octet_at: u32, k: u32, start: Tile) -> Tile {
    var t = start;
    let at = octet_at + group;
    let x0 = x_tile[at];
    let x1 = x_tile[at + STEP];
    let x2 = x_tile[at + 2u * STEP];
    let x3 = x_tile[at + 3u * STEP];
    let x4 = x_tile[at + 4u * STEP];
    let x5 = x_tile[at + 5u * STEP];
    let x6 = x_tile[at + 6u * STEP];
    let x7 = x_tile[at + 7u * STEP];
    for (var j = 0u; j < 4u; j++) {
        let row = (4u * group + j) * CHANNELS4 + k;
        t = outer(
            vec4<f32>(x0[j], x1[j], x2[j], x3[j]),
            vec4<f32>(x4[j], x5[j], x6[j], x7[j]),
            w_tile[row],
            w_tile[row + CHANNELS4 / 2u],
            t,
        );
    }
    return t;
}

// Adds the step for eight rows, from `octet_at` on, and the groups of channels k and k +
// CHANNELS4 / 2. Unrolled by hand: behind a loop the compiler would wait for the loads of the next
// step first.
fn add_step(octet_at: u32, k: u32, start: Tile) -> Tile {
    let t = add_group(1u, octet_at, k, add_group(0u, octet_at, k, start));
    if STEP == 2u {
        return t;
    }
    return add_group(3u, octet_at, k, add_group(2u, octet_at, k, t));
}
