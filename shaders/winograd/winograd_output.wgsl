// Winograd F(2x2, 3x3): back from sums over channels to output pixels, with the epilogue.
//
//   y = act(scale[k] * (A^T m A)[row, column] + shift[k] + residual)    A^T = | 1  1  1  0 |
//                                                                             | 0  1 -1 -1 |
// where m are the 16 values of the pixel's tile, [row, column] its place among the tile's 2 x 2.
//
// Each invocation owns eight consecutive pixels of four channels, a whole word of the ReLU mask,
// two at a time (W is even: both are of one tile).
//
// Grid:    one invocation per (4 channels, 8 pixels of the images at hand, copy), channels fastest.
// Twin:    src/kernels/winograd/output.rs
// Source:  Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308.

@group(0) @binding(1) var<storage, read> m: array<vec4<f32>>;        // [copies, 16, tiles, K]
@group(0) @binding(3) var<storage, read> residual: array<vec4<f32>>; // like y
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;  // [copies, N, H, W, K]

// One column of a tile, summed over its rows for output row 0 or 1; `at` is that column's value in
// the first of the three rows that count.
fn rows(at: u32, step: u32, sign: f32) -> vec4<f32> {
    return m[at] + sign * (m[at + 4u * step] + m[at + 8u * step]);
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group_index(group, groups) * WG_SIZE + lane;
    let k4s = (params.k + 3u) / 4u;
    let area = params.y_h * params.y_w;
    let pixels = params.count * area;
    let octets = (pixels + 7u) / 8u;
    let k4 = i % k4s;
    let octet = (i / k4s) % octets;
    let copy = i / (k4s * octets);
    if copy >= params.copies {
        return;
    }
    let tiles_w = params.y_w / 2u;
    let tiles_h = (params.y_h + 1u) / 2u;
    let step = params.count * tiles_h * tiles_w * k4s;
    let scale = affine_at(select(0u, params.scale_offset, SCALE == 1u), k4);
    let shift = affine_at(select(0u, params.shift_offset, SHIFT == 1u), k4);
    let whole = params.images * area;
    let before = params.first * area; // pixels of the copy before the images at hand
    var word = 0u;
    for (var j = 0u; j < 8u; j += 2u) {
        let q = octet * 8u + j;
        if q < pixels {
            let n = q / area;
            let row = (q - n * area) / params.y_w;
            let column = q % params.y_w;
            let tile = (n * tiles_h + row / 2u) * tiles_w + column / 2u;
            let odd = row % 2u;
            let sign = select(1.0, -1.0, odd == 1u);
            let at = (copy * 16u + 4u * odd) * step + tile * k4s + k4;
            let z0 = rows(at, step, sign);
            let z1 = rows(at + step, step, sign);
            let z2 = rows(at + 2u * step, step, sign);
            let z3 = rows(at + 3u * step, step, sign);
            let to = (copy * whole + before + q) * k4s + k4;
            let v0 = store(to, k4, z0 + z1 + z2, scale, shift);
            let v1 = store(to + k4s, k4, z1 - z2 - z3, scale, shift);
            word |= (positive_bits(v0) | (positive_bits(v1) << 4u)) << (4u * j);
        }
    }
    if MASK_OUT == 1u {
        mask_out[(copy * ((whole + 7u) / 8u) + before / 8u + octet) * k4s + k4] = word;
    }
}
