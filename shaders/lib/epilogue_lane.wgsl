// lib/epilogue.wgsl, one channel at a time. Joined after a kernel's interface: needs params.k,
// affine, residual and y.

override SCALE: u32 = 0u;
override SHIFT: u32 = 0u;
override RESIDUAL: u32 = 0u;
override RELU: u32 = 0u;

// 0 in padding lanes.
fn affine_at(offset: u32, k: u32) -> f32 {
    return affine[offset + min(k, params.k - 1u)];
}

// The epilogue: scale, shift, residual, ReLU; returns whether what was stored is positive.
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
    if RELU == 1u {
        // Not max(): a NaN must stay one, to be found.
        v = select(v, 0.0, v < 0.0);
    }
    v = select(0.0, v, k < params.k);
    y[at] = v;
    return v > 0.0;
}
