// Activations, chosen by an override constant: 0 none, 1 ReLU, 2 tanh (src/ops/activation.rs).

override ACTIVATION: u32 = 0u;

// tanh as 1 - 2 / (exp(2 v) + 1): WGSL allows its own tanh an error of 1e-5, and some drivers give
// NaN for large arguments. tanh(15) differs from 1 by 2e-13, far below f32.
fn activate(v: vec4<f32>) -> vec4<f32> {
    if ACTIVATION == 1u {
        return select(v, vec4<f32>(0.0), v <= vec4<f32>(0.0)); // NaN stays NaN
    }
    if ACTIVATION == 2u {
        let e = exp(2.0 * clamp(v, vec4<f32>(-15.0), vec4<f32>(15.0)));
        return 1.0 - 2.0 / (e + 1.0);
    }
    return v;
}

// The derivative, from the activation's output.
fn activation_slope(y: vec4<f32>) -> vec4<f32> {
    if ACTIVATION == 1u {
        return select(vec4<f32>(0.0), vec4<f32>(1.0), y > vec4<f32>(0.0));
    }
    if ACTIVATION == 2u {
        return 1.0 - y * y;
    }
    return vec4<f32>(1.0);
}
