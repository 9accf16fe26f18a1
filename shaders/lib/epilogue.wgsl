// The epilogue after a convolution's sum: scale, shift, residual, ReLU, and the bits of its mask.
// Joined after a kernel's interface and lib/special.wgsl: needs params.k, affine, residual and y.

override SCALE: u32 = 0u;
override SHIFT: u32 = 0u;
override RESIDUAL: u32 = 0u;
override RELU: u32 = 0u; // 1: from 0 up; 2: from 0 to CEILING, as ReLU6
override CEILING: f32 = 0.0;

fn affine_at(offset: u32, k4: u32) -> vec4<f32> {
    let last = params.k - 1u;
    let k = vec4<u32>(4u * k4) + vec4<u32>(0u, 1u, 2u, 3u);
    let i = vec4<u32>(offset) + min(k, vec4<u32>(last));
    return vec4<f32>(affine[i.x], affine[i.y], affine[i.z], affine[i.w]);
}

// The epilogue: scale, shift, residual, ReLU; returns what was stored. `at` indexes vec4s of y.
fn store(at: u32, k4: u32, sum: vec4<f32>, scale: vec4<f32>, shift: vec4<f32>) -> vec4<f32> {
    var v = sum;
    if SCALE == 1u {
        v = v * scale;
    }
    if SHIFT == 1u {
        v = v + shift;
    }
    if RESIDUAL == 1u {
        v = v + residual[at];
    }
    if RELU != 0u {
        v = relu(v);
    }
    if RELU == 2u {
        v = choose(v, vec4<f32>(CEILING), reaches(v, CEILING));
    }
    v = mask_lanes(v, k4, params.k);
    y[at] = v;
    return v;
}

// Bits of the mask: where ReLU's gradient passes.
fn positive_bits(v: vec4<f32>) -> u32 {
    let open = passes(v) & !(vec4<bool>(RELU == 2u) & reaches(v, CEILING));
    let bits = select(vec4<u32>(0u), vec4<u32>(1u, 2u, 4u, 8u), open);
    return bits.x | bits.y | bits.z | bits.w;
}
