// 8 x 8 results of one lane: products of eight rows (pixels, or channels of taps) and eight output
// channels. Sixty-four results take four loads from workgroup memory for 64 multiply-adds, few
// enough for the bandwidth that GPUs have; 8 x 4 results take three for 32.

// Each column of a matrix is a row of four channels.
struct Tile {
    left_a: mat4x4<f32>,  // rows 0..4, the first four channels
    left_b: mat4x4<f32>,  // rows 4..8
    right_a: mat4x4<f32>, // the other four channels
    right_b: mat4x4<f32>,
}

// Adds the products of rows a and b with both groups of channels.
fn outer(a: vec4<f32>, b: vec4<f32>, left: vec4<f32>, right: vec4<f32>, t: Tile) -> Tile {
    return Tile(
        t.left_a + mat4x4<f32>(a.x * left, a.y * left, a.z * left, a.w * left),
        t.left_b + mat4x4<f32>(b.x * left, b.y * left, b.z * left, b.w * left),
        t.right_a + mat4x4<f32>(a.x * right, a.y * right, a.z * right, a.w * right),
        t.right_b + mat4x4<f32>(b.x * right, b.y * right, b.z * right, b.w * right),
    );
}

fn plus(t: Tile, u: Tile) -> Tile {
    return Tile(
        t.left_a + u.left_a,
        t.left_b + u.left_b,
        t.right_a + u.right_a,
        t.right_b + u.right_b,
    );
}
