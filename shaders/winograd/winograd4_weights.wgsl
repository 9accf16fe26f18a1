// Winograd F(4x4, 3x3): weights of a 3x3 convolution, transformed.
//
//   u[p, c, k] = (G g G^T)[p / 6, p % 6]
//
//       | 1/(a^2 b^2)    0       0   |
//       |    1/f        a/f    a^2/f |   f = 2 a^2 (a^2 - b^2), h = 2 b^2 (b^2 - a^2), a = 3/4,
//   G = |    1/f       -a/f    a^2/f |   b = 3/2; g the 3 x 3 taps of (c, k), or, FLIPped, both
//       |    1/h        b/h    b^2/h |   axes reversed (the gather of an input gradient)
//       |    1/h       -b/h    b^2/h |
//       |     0          0       1   |
//
// Grid:    one invocation per (4 output channels, input channel, copy), in place_of's order.
// Twin:    src/kernels/winograd/weights.rs
// Source:  Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308;
//          other points than theirs: docs/numerics.md.

const F: f32 = 2.0 * A2 * (A2 - B2);
const H: f32 = 2.0 * B2 * (B2 - A2);

// Six values along an axis of a tile, of four output channels each.
struct Six {
    v0: vec4<f32>,
    v1: vec4<f32>,
    v2: vec4<f32>,
    v3: vec4<f32>,
    v4: vec4<f32>,
    v5: vec4<f32>,
}

// G times three values of four output channels.
fn transformed(g: mat3x4<f32>) -> Six {
    let even_a = (g[0] + A2 * g[2]) * (1.0 / F);
    let odd_a = (A / F) * g[1];
    let even_b = (g[0] + B2 * g[2]) * (1.0 / H);
    let odd_b = (B / H) * g[1];
    return Six(
        (1.0 / (A2 * B2)) * g[0],
        even_a + odd_a,
        even_a - odd_a,
        even_b + odd_b,
        even_b - odd_b,
        g[2],
    );
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let own = place_of(group_index(group, groups) * WG_SIZE + lane, 36u);
    if own.copy >= params.copies {
        return;
    }
    let step = own.step;
    let c0 = transformed(taps(0u, own.first, step));
    let c1 = transformed(taps(1u, own.first, step));
    let c2 = transformed(taps(2u, own.first, step));
    let at = own.at;
    write(at, step, own.c, own.k4, mat3x4<f32>(c0.v0, c1.v0, c2.v0));
    write(at + 6u * step, step, own.c, own.k4, mat3x4<f32>(c0.v1, c1.v1, c2.v1));
    write(at + 12u * step, step, own.c, own.k4, mat3x4<f32>(c0.v2, c1.v2, c2.v2));
    write(at + 18u * step, step, own.c, own.k4, mat3x4<f32>(c0.v3, c1.v3, c2.v3));
    write(at + 24u * step, step, own.c, own.k4, mat3x4<f32>(c0.v4, c1.v4, c2.v4));
    write(at + 30u * step, step, own.c, own.k4, mat3x4<f32>(c0.v5, c1.v5, c2.v5));
}

// Transforms and stores a row of six values.
fn write(at: u32, step: u32, c: u32, k4: u32, columns: mat3x4<f32>) {
    let row = transformed(columns);
    u[at] = keep(row.v0, c, k4);
    u[at + step] = keep(row.v1, c, k4);
    u[at + 2u * step] = keep(row.v2, c, k4);
    u[at + 3u * step] = keep(row.v3, c, k4);
    u[at + 4u * step] = keep(row.v4, c, k4);
    u[at + 5u * step] = keep(row.v5, c, k4);
}
