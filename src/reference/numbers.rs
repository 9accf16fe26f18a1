//! What the twins have in common: f64 views of f32 inputs, activations, the unit of every bound.

use crate::ops::activation::Activation;

/// Spacing of f32 at 1; one rounding is wrong by half of it at most, a division or a root on a GPU
/// by two and a half.
pub(super) const EPS: f64 = f32::EPSILON as f64;

/// f32 values as f64.
#[must_use]
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// The activation of one value.
#[must_use]
pub fn activate(act: Activation, z: f64) -> f64 {
    match act {
        Activation::None => z,
        Activation::Relu => z.max(0.0),
        Activation::Tanh => z.tanh(),
    }
}

/// The activation's derivative where its output is `y`.
#[must_use]
pub fn slope(act: Activation, y: f64) -> f64 {
    match act {
        Activation::None => 1.0,
        Activation::Relu => f64::from(u8::from(y > 0.0)),
        Activation::Tanh => 1.0 - y * y,
    }
}

/// Largest error of a kernel's slope: tanh's `1 - y^2` cancels near 1, the others are exact.
pub(super) fn slope_error(act: Activation) -> f64 {
    if act == Activation::Tanh { EPS } else { 0.0 }
}
