// The value of an f16 whose bits are the low half, put together from bits: the instructions that
// unpack floats may take a subnormal for 0. As a whole number of steps of 2^-24 it is a normal f32.
fn half_value(half: u32) -> f32 {
    let sign = (half & 0x8000u) << 16u;
    let exponent = (half >> 10u) & 31u;
    let fraction = (half & 0x3ffu) << 13u;
    if exponent == 0u {
        return bitcast<f32>(sign | bitcast<u32>(f32(half & 0x3ffu) * 0x1p-24));
    }
    return bitcast<f32>(sign | select((exponent + 112u) << 23u, 0x7f800000u, exponent == 31u)
        | fraction);
}
