// Winograd F(2x2, 3x3): patches of 4 x 4 pixels of a convolution's input, transformed.
//
//   v[p, t, c] = (B^T d B)[p / 4, p % 4] of the patch d of tile t, which begins at row and column
//                2 tile - padding           B^T = | 1  0 -1  0 |
//                                                 | 0  1  1  0 |
//                                                 | 0 -1  1  0 |
//                                                 | 0  1  0 -1 |
//
// The sum over channels is then 16 products of matrices, one for each p (matmul.wgsl).
//
// Grid:    one invocation per (4 channels, tile of the images at hand, copy), channels fastest.
// Twin:    src/kernels/winograd/input.rs
// Source:  Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [copies, N, H, W, C]
@group(0) @binding(3) var<storage, read_write> v: array<vec4<f32>>; // [copies, 16, tiles, C]

struct Tile {
    image: u32, // over all copies
    octets: u32, // first mask word of the copy, in octets
    y: i32,     // of the patch's first pixel
    x: i32,
    n: u32,     // within the copy
}

// Four channels of a pixel: 0 outside the image, in padding lanes, and, for a gradient, where the
// mask of the ReLU says that it was cut off.
fn load(tile: Tile, dy: i32, dx: i32, c4: u32) -> vec4<f32> {
    let iy = tile.y + dy;
    let ix = tile.x + dx;
    let inside = iy >= 0 && iy < i32(params.x_h) && ix >= 0 && ix < i32(params.x_w);
    let at = select(0u, u32(iy) * params.x_w + u32(ix), inside);
    let area = params.x_h * params.x_w;
    let c4s = (params.c + 3u) / 4u;
    var keep = real_lanes(c4, params.c) & vec4<bool>(inside);
    if MASK_IN == 1u {
        let pixel = tile.n * area + at;
        let bits = mask_in[(tile.octets + pixel / 8u) * c4s + c4] >> (4u * (pixel % 8u));
        keep = keep & ((vec4<u32>(bits) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u));
    }
    return select(vec4<f32>(0.0), x[(tile.image * area + at) * c4s + c4], keep);
}

// A column of the patch, transformed: four rows of four channels.
fn column(tile: Tile, dx: i32, c4: u32) -> mat4x4<f32> {
    let d0 = load(tile, 0, dx, c4);
    let d1 = load(tile, 1, dx, c4);
    let d2 = load(tile, 2, dx, c4);
    let d3 = load(tile, 3, dx, c4);
    return mat4x4<f32>(d0 - d2, d1 + d2, d2 - d1, d1 - d3);
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group_index(group, groups) * WG_SIZE + lane;
    let c4s = (params.c + 3u) / 4u;
    let of_image = params.tiles_h * params.tiles_w;
    let tiles = params.count * of_image;
    let c4 = i % c4s;
    let t = (i / c4s) % tiles;
    let copy = i / (c4s * tiles);
    if copy >= params.copies {
        return;
    }
    let n = params.first + t / of_image;
    let row = (t % of_image) / params.tiles_w;
    let tile = Tile(
        copy * params.images + n,
        copy * ((params.images * params.x_h * params.x_w + 7u) / 8u),
        2 * i32(row) - i32(params.pad_y),
        2 * i32(t % params.tiles_w) - i32(params.pad_x),
        n,
    );
    let m0 = column(tile, 0, c4);
    let m1 = column(tile, 1, c4);
    let m2 = column(tile, 2, c4);
    let m3 = column(tile, 3, c4);
    let p0 = m0 - m2;
    let p1 = m1 + m2;
    let p2 = m2 - m1;
    let p3 = m1 - m3;
    let step = tiles * c4s;
    var at = copy * 16u * step + t * c4s + c4;
    v[at] = p0[0];
    v[at + step] = p1[0];
    v[at + 2u * step] = p2[0];
    v[at + 3u * step] = p3[0];
    at += 4u * step;
    v[at] = p0[1];
    v[at + step] = p1[1];
    v[at + 2u * step] = p2[1];
    v[at + 3u * step] = p3[1];
    at += 4u * step;
    v[at] = p0[2];
    v[at + step] = p1[2];
    v[at + 2u * step] = p2[2];
    v[at + 3u * step] = p3[2];
    at += 4u * step;
    v[at] = p0[3];
    v[at + step] = p1[3];
    v[at + 2u * step] = p2[3];
    v[at + 3u * step] = p3[3];
}
