//! One step of Adam, `shaders/optimiser/adam.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::plan::{Grid, Plan},
};

crate::params! {
    /// Uniform block of `shaders/optimiser/adam.wgsl`.
    pub struct AdamParams {
        /// Parameters.
        len: u32,
        /// Share of the old first moment.
        beta1: f32,
        /// Share of the old second moment.
        beta2: f32,
        /// `1 - beta1`.
        rest1: f32,
        /// `1 - beta2`.
        rest2: f32,
        /// Added to the root of the second moment.
        eps: f32,
    }
}

crate::kernel! {
    "optimiser" / "adam", AdamParams,
    lib: ["lib/grid"],
    bindings: [
        ("schedule", Read), ("gradients", Read), ("parameters", ReadWrite), ("m", ReadWrite),
        ("v", ReadWrite),
    ],
}

/// One step on `len` parameters, in place. The betas are f64 because `1 - beta2` in f32 would be
/// off by 5e-5.
///
/// Bindings: schedule f32 `[4]` (see [`schedule`]); gradients, parameters, m, v f32 `[len]`.
///
/// # Errors
/// No parameters.
pub fn plan(len: u32, beta1: f64, beta2: f64, eps: f64) -> Result<Plan> {
    if len == 0 {
        return Err(Error::Shape("an Adam step on no parameters".into()));
    }
    let params = AdamParams {
        len,
        beta1: beta1 as f32,
        beta2: beta2 as f32,
        rest1: (1.0 - beta1) as f32,
        rest2: (1.0 - beta2) as f32,
        eps: eps as f32,
    };
    let each = u64::from(len) * 4;
    let bytes = vec![16, each, each, each, each];
    Ok(Plan::new(&KERNEL, &params, Grid::Items(u64::from(len)), bytes).costing(15 * u64::from(len)))
}

/// Contents of the binding `schedule` for step `step` (the first is 1): learning rate,
/// `1 - beta1^step`, `1 - beta2^step`, and the factor of the gradients.
#[must_use]
pub fn schedule(lr: f64, beta1: f64, beta2: f64, step: u64, scale: f64) -> [f32; 4] {
    let correction = |beta: f64| (1.0 - beta.powf(step as f64)) as f32;
    [lr as f32, correction(beta1), correction(beta2), scale as f32]
}
