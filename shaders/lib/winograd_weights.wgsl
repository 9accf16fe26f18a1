// Common parts of Winograd's weight transforms: the interface, the order of the taps, and padding.
// Each of the values in u is a matrix in panels (panels.wgsl).

struct WinogradWeightsParams {
    c: u32,      // input channels, without padding
    k: u32,      // output channels, without padding
    copies: u32,
}

@group(0) @binding(0) var<uniform> params: WinogradWeightsParams;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;       // [copies, 3, 3, C, K]
@group(0) @binding(2) var<storage, read_write> u: array<vec4<f32>>; // [copies, values, C, K]

override WG_SIZE: u32 = 64u;
override FLIP: u32 = 0u;

// Location of an invocation's weights.
struct Place {
    copy: u32,
    c: u32,
    k4: u32,
    first: u32, // its first tap in w
    at: u32,    // its first value in u
    step: u32,  // from one tap or value to the next
}

// Invocations take four rows of a panel, then the same rows of the next panel, so that neither w
// nor u is accessed in pieces that lie far apart.
fn place_of(i: u32, values: u32) -> Place {
    let k4s = (params.k + 3u) / 4u;
    let rows = (params.c + 3u) / 4u * 4u;
    let step = rows * k4s;
    let copy = i / step;
    let row = i % step / (4u * k4s) * 4u; // first of the four
    let in_rows = i % (4u * k4s);
    let column = in_rows / (4u * PANEL) * PANEL; // first of the panel
    let panel = panel_of(column, rows, k4s);
    let own = in_rows - 4u * column;
    let c = row + own / panel.width;
    let k4 = column + own % panel.width;
    let at = copy * values * step + panel.at + row * panel.width + own;
    return Place(copy, c, k4, copy * 9u * step + c * k4s + k4, at, step);
}

// Taps of column s; with FLIP those of column 2 - s, from the last row up. `at` is the index of the
// first tap.
fn taps(s: u32, at: u32, step: u32) -> mat3x4<f32> {
    let tap = at + select(s, 8u - s, FLIP == 1u) * step;
    let row = select(3u * step, 0u - 3u * step, FLIP == 1u); // wraps round, on purpose
    return mat3x4<f32>(w[tap], w[tap + row], w[tap + 2u * row]);
}

// Zero in the rows past C and the lanes past K.
fn keep(g: vec4<f32>, c: u32, k4: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), mask_lanes(g, k4, params.k), c < params.c);
}
