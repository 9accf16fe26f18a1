// Winograd F(4x4, 3x3): patches of 6 x 6 pixels of a convolution's input, transformed.
//
//   v[p, t, c] = (B^T d B)[p / 6, p % 6] of the patch d of tile t, which begins at row and column
//                4 tile - padding
//
//         | a^2 b^2     0     -(a^2+b^2)     0       1  0 |
//         |    0     -a b^2     -b^2         a       1  0 |   a = 3/4, b = 3/2: the polynomials
//   B^T = |    0      a b^2     -b^2        -a       1  0 |   are interpolated at 0, a, -a, b, -b
//         |    0     -b a^2     -a^2         b       1  0 |   and infinity
//         |    0      b a^2     -a^2        -b       1  0 |
//         |    0     a^2 b^2     0      -(a^2+b^2)   0  1 |
//
// The sum over channels is then 36 products of matrices, one for each p (matmul.wgsl).
//
// One channel at a time: with four, the code is larger than a CPU's instruction cache, and a GPU
// holds 144 values in registers.
//
// Grid:    one invocation per (channel, tile of the images at hand, copy), channels fastest.
// Twin:    src/kernels/winograd/input.rs
// Source:  Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308;
//          other points than theirs (1 and 2), which round twice as much: docs/numerics.md.

@group(0) @binding(1) var<storage, read> x: array<f32>;       // [copies, N, H, W, C]
@group(0) @binding(3) var<storage, read_write> v: array<f32>; // [copies, 36, tiles, C]

struct Tile {
    copy: u32,
    image: u32,  // over all copies
    octets: u32, // first mask word of the copy, in octets
    y: i32,      // of its first pixel
    x: i32,
    n: u32,      // image within the copy
    c: u32,
    at: u32,     // of its first value in v
    step: u32,   // from one value to the next
}

fn tile_of(i: u32) -> Tile {
    let lanes = (params.c + 3u) / 4u * 4u;
    let of_image = params.tiles_h * params.tiles_w;
    let tiles = params.count * of_image;
    let c = i % lanes;
    let t = (i / lanes) % tiles;
    let copy = i / (lanes * tiles);
    let n = params.first + t / of_image;
    return Tile(
        copy,
        copy * params.images + n,
        copy * ((params.images * params.x_h * params.x_w + 7u) / 8u),
        4 * i32((t % of_image) / params.tiles_w) - i32(params.pad_y),
        4 * i32(t % params.tiles_w) - i32(params.pad_x),
        n,
        c,
        copy * 36u * tiles * lanes + t * lanes + c,
        tiles * lanes,
    );
}

// A pixel's value: 0 outside the image, in padding lanes, and, for a gradient, where the mask of
// the ReLU says that it was cut off.
fn load(tile: Tile, dy: i32, dx: i32) -> f32 {
    let iy = tile.y + dy;
    let ix = tile.x + dx;
    let inside = iy >= 0 && iy < i32(params.x_h) && ix >= 0 && ix < i32(params.x_w);
    let at = select(0u, u32(iy) * params.x_w + u32(ix), inside);
    let area = params.x_h * params.x_w;
    let c4s = (params.c + 3u) / 4u;
    var keep = inside && tile.c < params.c;
    if MASK_IN == 1u {
        let pixel = tile.n * area + at;
        let word = mask_in[(tile.octets + pixel / 8u) * c4s + tile.c / 4u];
        keep = keep && ((word >> (4u * (pixel % 8u) + tile.c % 4u)) & 1u) == 1u;
    }
    return select(0.0, x[(tile.image * area + at) * (4u * c4s) + tile.c], keep);
}


// Six values along an axis of a tile.
struct Six {
    v0: f32,
    v1: f32,
    v2: f32,
    v3: f32,
    v4: f32,
    v5: f32,
}

// B^T times six values.
fn transformed(
    d0: f32,
    d1: f32,
    d2: f32,
    d3: f32,
    d4: f32,
    d5: f32,
) -> Six {
    let even_a = d4 - B2 * d2;
    let odd_a = A * (d3 - B2 * d1);
    let even_b = d4 - A2 * d2;
    let odd_b = B * (d3 - A2 * d1);
    return Six(
        A2 * B2 * d0 - (A2 + B2) * d2 + d4,
        even_a + odd_a,
        even_a - odd_a,
        even_b + odd_b,
        even_b - odd_b,
        A2 * B2 * d1 - (A2 + B2) * d3 + d5,
    );
}

fn column(tile: Tile, dx: i32) -> Six {
    return transformed(
        load(tile, 0, dx),
        load(tile, 1, dx),
        load(tile, 2, dx),
        load(tile, 3, dx),
        load(tile, 4, dx),
        load(tile, 5, dx),
    );
}

fn write(at: u32, step: u32, row: Six) {
    v[at] = row.v0;
    v[at + step] = row.v1;
    v[at + 2u * step] = row.v2;
    v[at + 3u * step] = row.v3;
    v[at + 4u * step] = row.v4;
    v[at + 5u * step] = row.v5;
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group_index(group, groups) * WG_SIZE + lane;
    let tile = tile_of(i);
    if tile.copy >= params.copies {
        return;
    }
    let c0 = column(tile, 0);
    let c1 = column(tile, 1);
    let c2 = column(tile, 2);
    let c3 = column(tile, 3);
    let c4 = column(tile, 4);
    let c5 = column(tile, 5);
    let at = tile.at;
    let step = tile.step;
    write(at, step, transformed(c0.v0, c1.v0, c2.v0, c3.v0, c4.v0, c5.v0));
    write(at + 6u * step, step, transformed(c0.v1, c1.v1, c2.v1, c3.v1, c4.v1, c5.v1));
    write(at + 12u * step, step, transformed(c0.v2, c1.v2, c2.v2, c3.v2, c4.v2, c5.v2));
    write(at + 18u * step, step, transformed(c0.v3, c1.v3, c2.v3, c3.v3, c4.v3, c5.v3));
    write(at + 24u * step, step, transformed(c0.v4, c1.v4, c2.v4, c3.v4, c4.v4, c5.v4));
    write(at + 30u * step, step, transformed(c0.v5, c1.v5, c2.v5, c3.v5, c4.v5, c5.v5));
}
