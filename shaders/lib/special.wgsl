// What NaN and infinities become where numbers are compared: as in PyTorch, a NaN stays one.
//
// In integers. WGSL lets a compiler assume that neither occurs, and some do (Metal's fast maths):
// what `max`, `clamp`, `x != x` and even `x <= 0` make of a NaN is the driver's business
// (gpuweb#5192), and a NaN that becomes a number is a wrong answer that nobody sees. Bits are not
// assumed anything about. It costs nothing: as integers, too, numbers take one comparison.

fn is_nan(v: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}

fn is_finite(v: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7f800000u)) != vec4<u32>(0x7f800000u);
}

// |v| <= 1; not of a NaN.
fn within_one(v: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) <= vec4<u32>(0x3f800000u);
}

// b where the condition holds, else a: `select` that knows nothing of numbers.
fn choose(a: vec4<f32>, b: vec4<f32>, condition: vec4<bool>) -> vec4<f32> {
    return bitcast<vec4<f32>>(select(bitcast<vec4<u32>>(a), bitcast<vec4<u32>>(b), condition));
}

// As signed integers, -0 is the smallest and -infinity the largest of all that are not above 0; the
// NaN with a sign come behind it.
const BELOW_ZERO: i32 = -8388608;

fn relu(v: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<i32>>(v);
    return bitcast<vec4<f32>>(select(bits, vec4<i32>(0), bits <= vec4<i32>(BELOW_ZERO)));
}

// Where ReLU lets a gradient pass: PyTorch stops it where v <= 0, and so not at a NaN.
fn passes(v: vec4<f32>) -> vec4<bool> {
    let bits = bitcast<vec4<i32>>(v);
    return (bits > vec4<i32>(BELOW_ZERO)) & (bits != vec4<i32>(0));
}

// -infinity.
fn is_lowest(v: vec4<f32>) -> vec4<bool> {
    return bitcast<vec4<u32>>(v) == vec4<u32>(0xff800000u);
}
