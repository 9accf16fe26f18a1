// The epilogue of lib/epilogue.wgsl for one channel at a time. Joined after a kernel's interface:
// needs params.k, affine, residual and y, and lib/special.wgsl.

override SCALE: u32 = 0u;
override SHIFT: u32 = 0u;
override RESIDUAL: u32 = 0u;
override RELU: u32 = 0u; // 1: from 0 up; 2: from 0 to CEILING, as ReLU6
override CEILING: f32 = 0.0;

// 0 in padding lanes.
fn affine_at(offset: u32, k: u32) -> f32 {
    return affine[offset + min(k, params.k - 1u)];
}

// The epilogue: scale, shift, residual, ReLU; returns whether the gradient of ReLU passes there.
fn store(at: u32, k: u32, sum: f32, scale: f32, shift: f32) -> bool {
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
    var bits = bitcast<i32>(select(0.0, v, k < params.k));
    var cut = bits <= BELOW_ZERO || bits == 0;
    if RELU != 0u {
        bits = select(bits, 0, bits <= BELOW_ZERO);
    }
    if RELU == 2u {
        let above = bits >= bitcast<i32>(CEILING) && bits <= 0x7f800000;
        bits = select(bits, bitcast<i32>(CEILING), above);
        cut = cut || above;
    }
    y[at] = bitcast<f32>(bits);
    return !cut;
}
