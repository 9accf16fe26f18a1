// Operands of products: as they are, or rounded to 16 bits (src/kernels/plan.rs).

override DTYPE: u32 = 0u; // 0: f32, 1: f16

// Rounds to the nearest f16, ties to even. Finite values past the largest f16 become that one; NaN
// and infinities stay. It computes in integers because WGSL's conversions need not round to nearest
// nor keep denormal numbers (below 2^-14 f16 has a fixed step of 2^-24).
fn operand(v: vec4<f32>) -> vec4<f32> {
    if DTYPE == 0u {
        return v;
    }
    let bits = bitcast<vec4<u32>>(v);
    let size = bits & vec4<u32>(0x7fffffffu);
    let odd = (size >> vec4<u32>(13u)) & vec4<u32>(1u);
    let near = (size + vec4<u32>(0xfffu) + odd) & vec4<u32>(0xffffe000u);
    let large = min(near, vec4<u32>(0x477fe000u)) | (bits ^ size); // at most 65504
    let small = round(v * 16777216.0) * (1.0 / 16777216.0);
    let rounded = select(bitcast<vec4<f32>>(large), small, size < vec4<u32>(0x38800000u));
    return select(rounded, v, size >= vec4<u32>(0x7f800000u));
}
