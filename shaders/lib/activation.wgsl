// Activations, chosen by an override constant: 0 none, 1 ReLU, 2 tanh
// (src/kernels/elementwise/activation.rs).
// Joined behind lib/special.wgsl.

override ACTIVATION: u32 = 0u;

// tanh as 1 - 2 / (exp(2 v) + 1): WGSL allows its own tanh an error of 1e-5, and some drivers give
// NaN for large arguments. tanh(15) differs from 1 by 2e-13, far below f32.
fn activate(v: vec4<f32>) -> vec4<f32> {
    if ACTIVATION == 1u {
        return relu(v);
    }
    if ACTIVATION == 2u {
        let e = exp(2.0 * clamp(v, vec4<f32>(-15.0), vec4<f32>(15.0)));
        return choose(1.0 - 2.0 / (e + 1.0), v, is_nan(v)); // clamp would make NaN a number
    }
    return v;
}

// The gradient of the input from the gradient dy and the value y of the output. Where ReLU has cut
// off, the gradient is 0 even if dy is NaN or infinite.
fn activate_back(dy: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    if ACTIVATION == 1u {
        return choose(vec4<f32>(0.0), dy, passes(y));
    }
    if ACTIVATION == 2u {
        return dy * (1.0 - y * y);
    }
    return dy;
}
