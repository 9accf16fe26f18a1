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
// Each invocation owns one tile of a channel. If a ReLU mask is recorded and rows are longer than
// four pixels, it owns two adjacent tiles (ACROSS): these are whole words of the mask, which four
// neighbours write together. One channel at a time: with four, the code is larger than a CPU's
// instruction cache, and a GPU holds four times the values in registers.
//
// Grid:    one invocation per (channel, ACROSS tiles of the images at hand, copy), channels fastest
// Twin:    src/kernels/winograd/output.rs
// Source:  Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308;
//          other points than theirs: docs/numerics.md.

@group(0) @binding(1) var<storage, read> m: array<f32>;        // [copies, 36, tiles, K]
@group(0) @binding(3) var<storage, read> residual: array<f32>; // like y
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [copies, N, H, W, K]

override ACROSS: u32 = 2u;

// For each invocation, its channel's bits in the words of four rows.
var<workgroup> bits: array<vec4<u32>, WG_SIZE>;

// A^T times six values.
fn transformed(m0: f32, m1: f32, m2: f32, m3: f32, m4: f32, m5: f32) -> vec4<f32> {
    let even_a = m1 + m2;
    let odd_a = m1 - m2;
    let even_b = m3 + m4;
    let odd_b = m3 - m4;
    return vec4<f32>(
        m0 + even_a + even_b,
        A * odd_a + B * odd_b,
        A2 * even_a + B2 * even_b,
        (A * A2) * odd_a + (B * B2) * odd_b + m5,
    );
}

fn column(at: u32, step: u32) -> vec4<f32> {
    return transformed(
        m[at],
        m[at + 6u * step],
        m[at + 12u * step],
        m[at + 18u * step],
        m[at + 24u * step],
        m[at + 30u * step],
    );
}

// Stores a row of four pixels if it is inside the image; returns their bits.
fn row(at: u32, k: u32, inside: bool, p: vec4<f32>, scale: f32, shift: f32) -> u32 {
    if !inside {
        return 0u;
    }
    let lanes = (params.k + 3u) / 4u * 4u;
    let v0 = store(at, k, p.x, scale, shift);
    let v1 = store(at + lanes, k, p.y, scale, shift);
    let v2 = store(at + 2u * lanes, k, p.z, scale, shift);
    let v3 = store(at + 3u * lanes, k, p.w, scale, shift);
    let low = select(0u, 1u, v0) | select(0u, 16u, v1);
    return (low | select(0u, 256u, v2) | select(0u, 4096u, v3)) << (k % 4u);
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group_index(group, groups) * WG_SIZE + lane;
    let lanes = (params.k + 3u) / 4u * 4u;
    let tiles_w = params.y_w / 4u;
    let tiles_h = (params.y_h + 3u) / 4u;
    let runs = tiles_w / ACROSS;
    let k = i % lanes;
    let run = (i / lanes) % runs;
    let tile_row = (i / (lanes * runs)) % tiles_h;
    let n = (i / (lanes * runs * tiles_h)) % params.count;
    let copy = i / (lanes * runs * tiles_h * params.count);
    let area = params.y_h * params.y_w;
    let line = params.y_w * lanes;
    // Index of the first pixel within the copy.
    let first = (params.first + n) * area + 4u * (tile_row * params.y_w + ACROSS * run);
    let below = params.y_h - 4u * tile_row;
    var words = vec4<u32>(0u);
    if copy < params.copies {
        let step = params.count * tiles_h * tiles_w * lanes;
        let scale = affine_at(select(0u, params.scale_offset, SCALE == 1u), k);
        let shift = affine_at(select(0u, params.shift_offset, SHIFT == 1u), k);
        for (var j = 0u; j < ACROSS; j++) {
            let tile = (n * tiles_h + tile_row) * tiles_w + ACROSS * run + j;
            let at = copy * 36u * step + tile * lanes + k;
            let c0 = column(at, step);
            let c1 = column(at + step, step);
            let c2 = column(at + 2u * step, step);
            let c3 = column(at + 3u * step, step);
            let c4 = column(at + 4u * step, step);
            let c5 = column(at + 5u * step, step);
            let r0 = transformed(c0.x, c1.x, c2.x, c3.x, c4.x, c5.x);
            let r1 = transformed(c0.y, c1.y, c2.y, c3.y, c4.y, c5.y);
            let r2 = transformed(c0.z, c1.z, c2.z, c3.z, c4.z, c5.z);
            let r3 = transformed(c0.w, c1.w, c2.w, c3.w, c4.w, c5.w);
            let to = (copy * params.images * area + first + 4u * j) * lanes + k;
            let own = vec4<u32>(
                row(to, k, true, r0, scale, shift),
                row(to + line, k, below > 1u, r1, scale, shift),
                row(to + 2u * line, k, below > 2u, r2, scale, shift),
                row(to + 3u * line, k, below > 3u, r3, scale, shift),
            );
            words |= own << vec4<u32>(16u * j);
        }
    }
    if MASK_OUT == 1u {
        bits[lane] = words;
        workgroupBarrier();
        // The first of four neighbours writes for all.
        if copy < params.copies && lane % 4u == 0u {
            let all = bits[lane] | bits[lane + 1u] | bits[lane + 2u] | bits[lane + 3u];
            let k4s = lanes / 4u;
            let octets = (params.images * area + 7u) / 8u;
            write(all, (copy * octets + first / 8u) * k4s + k / 4u, k4s, below);
        }
    }
}

fn write(words: vec4<u32>, at: u32, k4s: u32, below: u32) {
    if ACROSS == 1u {
        mask_out[at] = words.x | (words.y << 16u);
        if below > 2u {
            mask_out[at + k4s] = words.z | (words.w << 16u);
        }
        return;
    }
    let line = params.y_w / 8u * k4s;
    mask_out[at] = words.x;
    if below > 1u {
        mask_out[at + line] = words.y;
    }
    if below > 2u {
        mask_out[at + 2u * line] = words.z;
    }
    if below > 3u {
        mask_out[at + 3u * line] = words.w;
    }
}
