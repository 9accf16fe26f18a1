// Winograd F(2x2, 3x3): weights of a 3x3 convolution, transformed.
//
//   u[p, c, k] = (G g G^T)[p / 4, p % 4]      G = | 1    0    0   |   g the 3 x 3 taps of (c, k),
//                                                 | 1/2  1/2  1/2 |   or, FLIPped, both axes
//                                                 | 1/2 -1/2  1/2 |   reversed (the gather of an
//                                                 | 0    0    1   |   input gradient)
//
// Grid:    one invocation per (4 output channels, input channel, copy), in place_of's order.
// Twin:    src/kernels/winograd/weights.rs
// Source:  Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308.

// A column of taps, transformed: four rows of four output channels.
fn column(g: mat3x4<f32>) -> mat4x4<f32> {
    let even = 0.5 * (g[0] + g[2]);
    let odd = 0.5 * g[1];
    return mat4x4<f32>(g[0], even + odd, even - odd, g[2]);
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let own = place_of(group_index(group, groups) * WG_SIZE + lane, 16u);
    if own.copy >= params.copies {
        return;
    }
    let step = own.step;
    let m0 = column(taps(0u, own.first, step));
    let m1 = column(taps(1u, own.first, step));
    let m2 = column(taps(2u, own.first, step));
    let even = 0.5 * (m0 + m2);
    let odd = 0.5 * m1;
    let p1 = even + odd;
    let p2 = even - odd;
    var at = own.at;
    for (var r = 0u; r < 4u; r++) {
        u[at] = keep(m0[r], own.c, own.k4);
        u[at + step] = keep(p1[r], own.c, own.k4);
        u[at + 2u * step] = keep(p2[r], own.c, own.k4);
        u[at + 3u * step] = keep(m2[r], own.c, own.k4);
        at += 4u * step;
    }
}
