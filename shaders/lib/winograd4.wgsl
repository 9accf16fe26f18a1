// Where F(4x4, 3x3) interpolates: at 0, A, -A, B, -B and infinity.

const A: f32 = 0.75;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

// Six values along an axis of a tile, of four channels each.
struct Six {
    v0: vec4<f32>,
    v1: vec4<f32>,
    v2: vec4<f32>,
    v3: vec4<f32>,
    v4: vec4<f32>,
    v5: vec4<f32>,
}
