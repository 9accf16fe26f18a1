//! Common parts of the twins: conversion of inputs to f64, activations, the unit of every bound.

use crate::kernels::{elementwise::activation::Activation, plan::Dtype};
use half::f16;

/// Spacing of f32 at 1. One rounding is off by at most half of it, a division or root on a GPU by
/// two and a half.
pub(crate) const EPS: f64 = f32::EPSILON as f64;

/// f32 values as f64.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// The activation of one value.
pub fn activate(act: Activation, z: f64) -> f64 {
    match act {
        Activation::Relu if z <= 0.0 => 0.0, // `max` would turn NaN into a number
        Activation::None | Activation::Relu => z,
        Activation::Tanh => z.tanh(),
    }
}

/// Whether PyTorch lets a gradient through a ReLU whose input or output is `y`: also at NaN.
pub fn passes(y: f64) -> bool {
    y > 0.0 || y.is_nan()
}

/// The gradient of an activation's input, from that of its output `y`.
pub fn activate_back(act: Activation, dy: f64, y: f64) -> f64 {
    match act {
        Activation::None => dy,
        Activation::Relu if passes(y) => dy,
        Activation::Relu => 0.0,
        Activation::Tanh => dy * (1.0 - y * y),
    }
}

/// `factor * value`, but 0 for a factor of 0 even if the value is infinite or NaN.
pub(crate) fn scaled(factor: f64, value: f64) -> f64 {
    if factor == 0.0 { 0.0 } else { factor * value }
}

/// Largest error of an activation's slope: tanh's `1 - y^2` cancels near 1, other slopes are exact.
pub(crate) fn slope_error(act: Activation) -> f64 {
    if act == Activation::Tanh { EPS } else { 0.0 }
}

/// An operand of a product, rounded as the kernel rounds it.
pub fn operand(dtype: Dtype, v: f32) -> f32 {
    match dtype {
        Dtype::F32 => v,
        Dtype::F16 => nearest_f16(v),
    }
}

/// The nearest f16, ties to even; finite values beyond the largest, 65504, become 65504.
fn nearest_f16(v: f32) -> f32 {
    let rounded = f16::from_f32(v).to_f32();
    if v.is_finite() { rounded.clamp(f16::MIN.to_f32(), f16::MAX.to_f32()) } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_to_f16_keeps_every_f16_and_breaks_ties_to_even() {
        // Every finite positive f16, from its bits.
        let value = |bits: u32| -> f32 {
            let (exponent, fraction) = (bits >> 10, f64::from(bits & 1023));
            let scaled = match exponent {
                0 => fraction * 2f64.powi(-24),
                e => (1.0 + fraction / 1024.0) * 2f64.powi(e as i32 - 15),
            };
            scaled as f32
        };
        for bits in 0..0x7c00u32 {
            let v = value(bits);
            assert_eq!(nearest_f16(v).to_bits(), v.to_bits(), "{bits:#x}");
            assert_eq!(nearest_f16(-v).to_bits(), (-v).to_bits(), "-{bits:#x}");
            if bits < 0x7bff {
                let middle = (f64::from(v) + f64::from(value(bits + 1))) / 2.0;
                let even = value(bits + (bits & 1));
                assert_eq!(nearest_f16(middle as f32).to_bits(), even.to_bits(), "{bits:#x}");
            }
        }
        for (v, want) in [(65519.0, 65504.0), (65520.0, 65504.0), (1e9, 65504.0), (-1e9, -65504.0)]
        {
            assert_eq!(nearest_f16(v).to_bits(), f32::to_bits(want));
        }
        assert_eq!(nearest_f16(f32::INFINITY).to_bits(), f32::INFINITY.to_bits());
        assert!(nearest_f16(f32::NAN).is_nan());
    }
}
