// One step of Adam, in place.
//
//   m = beta1 m + (1 - beta1) g        v = beta2 v + (1 - beta2) g^2
//   w = w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
//
// Grid:    one invocation per parameter.
// Twin:    src/kernels/optimiser/adam.rs
// Source:  Kingma, Ba, arXiv:1412.6980, as torch.optim.Adam adds eps: after the bias correction.

// `schedule` holds lr, 1 - beta1^t, 1 - beta2^t and the factor of the gradients.

struct AdamParams {
    len: u32,
    beta1: f32,
    beta2: f32,
    rest1: f32, // 1 - beta1, from f64: 1 - 0.999 in f32 is off by 5e-5
    rest2: f32, // 1 - beta2
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: AdamParams;
@group(0) @binding(1) var<storage, read> schedule: array<f32>;         // [4]
@group(0) @binding(2) var<storage, read> gradients: array<f32>;        // [len]
@group(0) @binding(3) var<storage, read_write> parameters: array<f32>; // [len]
@group(0) @binding(4) var<storage, read_write> m: array<f32>;          // [len]
@group(0) @binding(5) var<storage, read_write> v: array<f32>;          // [len]

fn items() -> u32 {
    return params.len;
}

fn each(i: u32) {
    let g = gradients[i] * schedule[3];
    let m_t = params.beta1 * m[i] + params.rest1 * g;
    let v_t = params.beta2 * v[i] + params.rest2 * g * g;
    m[i] = m_t;
    v[i] = v_t;
    let step = schedule[0] * (m_t / schedule[1]);
    parameters[i] -= step / (sqrt(v_t / schedule[2]) + params.eps);
}
