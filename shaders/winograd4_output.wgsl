// Winograd F(4x4, 3x3): back from sums over channels to output pixels, with the epilogue.
//
//   y = act(scale[k] * (A^T m A)[row, column] + shift[k] + residual)
//
//         | 1   1    1    1    1   0 |
//   A^T = | 0   a   -a    b   -b   0 |   a = 3/4, b = 3/2
//         | 0  a^2  a^2  b^2  b^2  0 |
//         | 0  a^3 -a^3  b^3 -b^3  1 |
//
// where m are the 36 values of the pixel's tile, [row, column] its place among the tile's 4 x 4.
//
// Each invocation owns whole words of the ReLU mask, eight consecutive pixels of four channels: two
// tiles beside each other, or, where a row has four pixels (ACROSS 1), one.
//
// Grid:    one invocation per (4 channels, ACROSS tiles of the images at hand, copy), channels fastest.
// Twin:    src/reference/winograd_output.rs
// Source:  Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308; other
//          points than theirs: docs/numerics.md.

override ACROSS: u32 = 2u;

// A^T times six values, for four rows of a column.
fn column(at: u32, step: u32) -> mat4x4<f32> {
    let m0 = m[at];
    let m1 = m[at + 6u * step];
    let m2 = m[at + 12u * step];
    let m3 = m[at + 18u * step];
    let m4 = m[at + 24u * step];
    let m5 = m[at + 30u * step];
    let even_a = m1 + m2;
    let odd_a = m1 - m2;
    let even_b = m3 + m4;
    let odd_b = m3 - m4;
    return mat4x4<f32>(
        m0 + even_a + even_b,
        A * odd_a + B * odd_b,
        A2 * even_a + B2 * even_b,
        (A * A2) * odd_a + (B * B2) * odd_b + m5,
    );
}

// A row of four pixels, if the image has it: stores them; their bits of the mask.
fn row(at: u32, k4: u32, inside: bool, p: mat4x4<f32>, s: vec4<f32>, t: vec4<f32>) -> u32 {
    if !inside {
        return 0u;
    }
    let k4s = (params.k + 3u) / 4u;
    let v0 = store(at, k4, p[0], s, t);
    let v1 = store(at + k4s, k4, p[1], s, t);
    let v2 = store(at + 2u * k4s, k4, p[2], s, t);
    let v3 = store(at + 3u * k4s, k4, p[3], s, t);
    let low = positive_bits(v0) | (positive_bits(v1) << 4u);
    return low | (positive_bits(v2) << 8u) | (positive_bits(v3) << 12u);
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group_index(group, groups) * WG_SIZE + lane;
    let k4s = (params.k + 3u) / 4u;
    let tiles_w = params.y_w / 4u;
    let tiles_h = (params.y_h + 3u) / 4u;
    let runs = tiles_w / ACROSS;
    let k4 = i % k4s;
    let run = (i / k4s) % runs;
    let tile_row = (i / (k4s * runs)) % tiles_h;
    let n = (i / (k4s * runs * tiles_h)) % params.count;
    let copy = i / (k4s * runs * tiles_h * params.count);
    if copy >= params.copies {
        return;
    }
    let area = params.y_h * params.y_w;
    let step = params.count * tiles_h * tiles_w * k4s;
    let scale = affine_at(select(0u, params.scale_offset, SCALE == 1u), k4);
    let shift = affine_at(select(0u, params.shift_offset, SHIFT == 1u), k4);
    // Within the copy.
    let first = (params.first + n) * area + 4u * tile_row * params.y_w + 4u * ACROSS * run;
    let line = params.y_w * k4s;
    let below = vec4<bool>(
        true,
        4u * tile_row + 1u < params.y_h,
        4u * tile_row + 2u < params.y_h,
        4u * tile_row + 3u < params.y_h,
    );
    var words = vec4<u32>(0u);
    for (var j = 0u; j < ACROSS; j++) {
        let tile = (n * tiles_h + tile_row) * tiles_w + ACROSS * run + j;
        let at = copy * 36u * step + tile * k4s + k4;
        let c0 = column(at, step);
        let c1 = column(at + step, step);
        let c2 = column(at + 2u * step, step);
        let c3 = column(at + 3u * step, step);
        let c4 = column(at + 4u * step, step);
        let c5 = column(at + 5u * step, step);
        let even_a = c1 + c2;
        let odd_a = c1 - c2;
        let even_b = c3 + c4;
        let odd_b = c3 - c4;
        let p0 = c0 + even_a + even_b;
        let p1 = A * odd_a + B * odd_b;
        let p2 = A2 * even_a + B2 * even_b;
        let p3 = (A * A2) * odd_a + (B * B2) * odd_b + c5;
        let to = (copy * params.images * area + first + 4u * j) * k4s + k4;
        let r0 = mat4x4<f32>(p0[0], p1[0], p2[0], p3[0]);
        let r1 = mat4x4<f32>(p0[1], p1[1], p2[1], p3[1]);
        let r2 = mat4x4<f32>(p0[2], p1[2], p2[2], p3[2]);
        let r3 = mat4x4<f32>(p0[3], p1[3], p2[3], p3[3]);
        let bits = vec4<u32>(
            row(to, k4, below.x, r0, scale, shift),
            row(to + line, k4, below.y, r1, scale, shift),
            row(to + 2u * line, k4, below.z, r2, scale, shift),
            row(to + 3u * line, k4, below.w, r3, scale, shift),
        );
        words |= bits << vec4<u32>(16u * j);
    }
    if MASK_OUT == 1u {
        let octets = (params.images * area + 7u) / 8u;
        let at = (copy * octets + first / 8u) * k4s + k4;
        if ACROSS == 1u {
            mask_out[at] = words.x | (words.y << 16u);
            if below.z {
                mask_out[at + k4s] = words.z | (words.w << 16u);
            }
        } else {
            mask_out[at] = words.x;
            if below.y {
                mask_out[at + line / 8u] = words.y;
            }
            if below.z {
                mask_out[at + line / 4u] = words.z;
            }
            if below.w {
                mask_out[at + 3u * (line / 8u)] = words.w;
            }
        }
    }
}
