// F(4x4, 3x3) interpolates at the points 0, A, -A, B, -B and infinity.

const A: f32 = 0.75;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;
