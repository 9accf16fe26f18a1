// One step of stochastic gradient descent with momentum and weight decay, in place.
//
//   v = momentum v + g + weight_decay w        w = w - lr v
//
// Grid:    one invocation per parameter.
// Twin:    src/kernels/optimiser/sgd.rs
// Source:  torch.optim.SGD (dampening 0); its first step is this one with v = 0.

// `schedule` holds lr, two numbers for Adam and the factor of the gradients.

struct SgdParams {
    len: u32,
    momentum: f32,
    weight_decay: f32,
}

@group(0) @binding(0) var<uniform> params: SgdParams;
@group(0) @binding(1) var<storage, read> schedule: array<f32>;         // [4]
@group(0) @binding(2) var<storage, read> gradients: array<f32>;        // [len]
@group(0) @binding(3) var<storage, read_write> parameters: array<f32>; // [len]
@group(0) @binding(4) var<storage, read_write> velocity: array<f32>;   // [len]

fn items() -> u32 {
    return params.len;
}

fn each(i: u32) {
    let w = parameters[i];
    let g = gradients[i] * schedule[3] + params.weight_decay * w;
    let v = params.momentum * velocity[i] + g;
    velocity[i] = v;
    parameters[i] = w - schedule[0] * v;
}
