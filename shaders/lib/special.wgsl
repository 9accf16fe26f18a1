// Comparisons that treat NaN and infinities as PyTorch does: a NaN stays NaN.
//
// They compare bits as integers. WGSL lets a compiler assume that neither NaN nor infinities occur,
// and some compilers do (Metal's fast maths): the results of `max`, `clamp`, `x != x` and even `x
// <= 0` for a NaN depend on the driver (gpuweb#5192), and a NaN that becomes a number is a wrong
// answer that nobody notices. About bits nothing is assumed. It costs nothing: integers, too, take
// one comparison.

fn is_nan(v: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}

fn is_finite(v: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7f800000u)) != vec4<u32>(0x7f800000u);
}

// |v| <= 1; false for NaN.
fn within_one(v: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) <= vec4<u32>(0x3f800000u);
}

// b where the condition holds, else a: a `select` on bits, so that no assumption about floats
// applies.
fn choose(a: vec4<f32>, b: vec4<f32>, condition: vec4<bool>) -> vec4<f32> {
    return bitcast<vec4<f32>>(select(bitcast<vec4<u32>>(a), bitcast<vec4<u32>>(b), condition));
}

// As signed integers, the bits of floats with a sign go from -0, the smallest, up to -infinity,
// which is this number; NaN with a sign are larger.
const BELOW_ZERO: i32 = -8388608;

fn relu(v: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<i32>>(v);
    return bitcast<vec4<f32>>(select(bits, vec4<i32>(0), bits <= vec4<i32>(BELOW_ZERO)));
}

// Whether ReLU passes a gradient: PyTorch stops it where v <= 0, which does not hold for NaN.
fn passes(v: vec4<f32>) -> vec4<bool> {
    let bits = bitcast<vec4<i32>>(v);
    return (bits > vec4<i32>(BELOW_ZERO)) & (bits != vec4<i32>(0));
}

// Whether v is at least the ceiling, a positive number; false for NaN.
fn reaches(v: vec4<f32>, ceiling: f32) -> vec4<bool> {
    let bits = bitcast<vec4<i32>>(v);
    return (bits >= vec4<i32>(bitcast<i32>(ceiling))) & (bits <= vec4<i32>(0x7f800000));
}

// Whether v is -infinity.
fn is_lowest(v: vec4<f32>) -> vec4<bool> {
    return bitcast<vec4<u32>>(v) == vec4<u32>(0xff800000u);
}
