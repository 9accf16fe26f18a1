// Activation functions, chosen by an override constant (src/kernels/elementwise/pointwise.rs):
//
//   1  clip          min(max(v, A), B)
//   2  sigmoid       1 / (1 + exp(-v))
//   3  hard sigmoid  min(max(A v + B, 0), 1)
//   4  hard swish    v min(max(v / 6 + 1/2, 0), 1)
//   5  SiLU          v / (1 + exp(-v))
//   6  quantisation  A min(max(round(v / A), B), C), the nearest of a grid's points, ties to even
//
// A NaN stays NaN in all of them. Joined behind lib/special.wgsl.

override FUNCTION: u32 = 1u;
override A: f32 = 0.0;
override B: f32 = 6.0;
override C: f32 = 0.0;

// Beyond 87 the quotient would leave the normal numbers.
fn sigmoid(v: vec4<f32>) -> vec4<f32> {
    return 1.0 / (1.0 + exp(-clamp(v, vec4<f32>(-87.0), vec4<f32>(87.0))));
}

fn pointwise(v: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    let one = vec4<f32>(1.0);
    var y = v;
    switch FUNCTION {
        case 1u: {
            // The largest numbers stand for an open end, beyond which only infinities lie.
            let open_below = vec4<bool>(bitcast<u32>(A) == 0xff7fffffu);
            let open_above = vec4<bool>(bitcast<u32>(B) == 0x7f7fffffu);
            y = choose(max(v, vec4<f32>(A)), v, open_below);
            y = choose(min(y, vec4<f32>(B)), y, open_above);
        }
        case 2u: {
            y = sigmoid(v);
        }
        case 3u: {
            y = clamp(A * v + B, zero, one);
        }
        case 4u: {
            // Below -3 the product would be -0, or NaN for -infinity.
            y = choose(zero, v * clamp(v / 6.0 + 0.5, zero, one), v > vec4<f32>(-3.0));
        }
        case 6u: {
            // No clamp: Tint refuses exchanged ends, which other functions may have here.
            y = A * min(max(round(v / A), vec4<f32>(B)), vec4<f32>(C));
        }
        default: {
            // Below -87 the product would be far from 0 at infinity.
            y = choose(zero, v * sigmoid(v), v > vec4<f32>(-87.0));
        }
    }
    return choose(y, v, is_nan(v));
}

// The gradient of the input v from that of the output.
fn pointwise_back(dy: vec4<f32>, v: vec4<f32>) -> vec4<f32> {
    var slope = vec4<f32>(1.0);
    var flat = vec4<bool>(false);
    switch FUNCTION {
        case 1u: {
            flat = (v <= vec4<f32>(A)) | (v >= vec4<f32>(B));
        }
        case 2u: {
            let s = sigmoid(v);
            slope = s * (1.0 - s);
        }
        case 3u: {
            let t = A * v + B;
            slope = vec4<f32>(A);
            flat = (t <= vec4<f32>(0.0)) | (t >= vec4<f32>(1.0));
        }
        case 4u: {
            slope = choose(v / 3.0 + 0.5, slope, v >= vec4<f32>(3.0));
            flat = v <= vec4<f32>(-3.0);
        }
        case 6u: {
            // Straight through within the range: what is rounded to its ends still belongs to it.
            let steps = round(v / A);
            flat = (steps < vec4<f32>(B)) | (steps > vec4<f32>(C));
        }
        default: {
            let s = sigmoid(v);
            slope = s * (1.0 + v * (1.0 - s));
            // The limit: the product would be NaN or infinite.
            flat = is_lowest(v);
        }
    }
    let dx = choose(dy * slope, vec4<f32>(0.0), flat);
    return choose(dx, v, is_nan(v));
}
