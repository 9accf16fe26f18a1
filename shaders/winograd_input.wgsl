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
// Twin:    src/reference/winograd_input.rs
// Source:  Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308.

const OUTPUTS = 2u;

// A column of the patch, transformed: four rows of four channels.
fn column(tile: Tile, dx: i32) -> mat4x4<f32> {
    let d0 = load(tile, 0, dx);
    let d1 = load(tile, 1, dx);
    let d2 = load(tile, 2, dx);
    let d3 = load(tile, 3, dx);
    return mat4x4<f32>(d0 - d2, d1 + d2, d2 - d1, d1 - d3);
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group_index(group, groups) * WG_SIZE + lane;
    if i >= tiles_at_hand() {
        return;
    }
    let tile = tile_of(i);
    let m0 = column(tile, 0);
    let m1 = column(tile, 1);
    let m2 = column(tile, 2);
    let m3 = column(tile, 3);
    let p0 = m0 - m2;
    let p1 = m1 + m2;
    let p2 = m2 - m1;
    let p3 = m1 - m3;
    let step = tile.step;
    var at = tile.at;
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
