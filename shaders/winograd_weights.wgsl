// Winograd F(2x2, 3x3): weights of a 3x3 convolution, transformed.
//
//   u[p, c, k] = (G g G^T)[p / 4, p % 4]      G = | 1    0    0   |   g the 3 x 3 taps of (c, k),
//                                                 | 1/2  1/2  1/2 |   or, FLIPped, both axes
//                                                 | 1/2 -1/2  1/2 |   reversed (the gather of an
//                                                 | 0    0    1   |   input gradient)
//
// Grid:    one invocation per (4 output channels, input channel, copy), output channels fastest.
// Twin:    src/reference/winograd_weights.rs
// Source:  Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308.

struct WinogradWeightsParams {
    c: u32,      // input channels, without padding
    k: u32,      // output channels, without padding
    copies: u32,
}

@group(0) @binding(0) var<uniform> params: WinogradWeightsParams;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;       // [copies, 3, 3, C, K]
@group(0) @binding(2) var<storage, read_write> u: array<vec4<f32>>; // [copies, 16, C, K]

override WG_SIZE: u32 = 64u;
override FLIP: u32 = 0u;

// A column of taps, transformed: four rows of four output channels.
fn column(s: u32, at: u32, step: u32) -> mat4x4<f32> {
    let tap = at + select(s, 8u - s, FLIP == 1u) * step;
    let row = select(3u * step, 0u - 3u * step, FLIP == 1u); // wraps round, on purpose
    let g0 = w[tap];
    let g1 = w[tap + row];
    let g2 = w[tap + 2u * row];
    let even = 0.5 * (g0 + g2);
    let odd = 0.5 * g1;
    return mat4x4<f32>(g0, even + odd, even - odd, g2);
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group_index(group, groups) * WG_SIZE + lane;
    let k4s = (params.k + 3u) / 4u;
    let rows = (params.c + 3u) / 4u * 4u;
    let k4 = i % k4s;
    let c = (i / k4s) % rows;
    let copy = i / (k4s * rows);
    if copy >= params.copies {
        return;
    }
    let step = rows * k4s;
    let first = copy * 9u * step + c * k4s + k4;
    let m0 = column(0u, first, step);
    let m1 = column(1u, first, step);
    let m2 = column(2u, first, step);
    let even = 0.5 * (m0 + m2);
    let odd = 0.5 * m1;
    let p1 = even + odd;
    let p2 = even - odd;
    var at = copy * 16u * step + c * k4s + k4;
    for (var r = 0u; r < 4u; r++) {
        u[at] = keep(m0[r], c, k4);
        u[at + step] = keep(p1[r], c, k4);
        u[at + 2u * step] = keep(p2[r], c, k4);
        u[at + 3u * step] = keep(m2[r], c, k4);
        at += 4u * step;
    }
}

fn keep(g: vec4<f32>, c: u32, k4: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), mask_lanes(g, k4, params.k), c < params.c);
}
