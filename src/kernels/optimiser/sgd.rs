//! One step of stochastic gradient descent, `shaders/optimiser/sgd.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::plan::{Grid, Plan},
};

crate::params! {
    /// Uniform block of `shaders/optimiser/sgd.wgsl`.
    pub struct SgdParams {
        /// Parameters.
        len: u32,
        /// Share of the old velocity.
        momentum: f32,
        /// Factor of the parameters in the gradient.
        weight_decay: f32,
    }
}

crate::kernel! {
    "optimiser" / "sgd", SgdParams,
    lib: ["lib/grid"],
    bindings: [
        ("schedule", Read), ("gradients", Read), ("parameters", ReadWrite), ("velocity", ReadWrite),
    ],
}

/// One step on `len` parameters, in place.
///
/// Bindings: schedule f32 `[4]` as [`crate::kernels::optimiser::adam::schedule`] fills it (learning rate and scale are
/// used); gradients, parameters, velocity f32 `[len]`.
///
/// # Errors
/// No parameters.
pub fn plan(len: u32, momentum: f64, weight_decay: f64) -> Result<Plan> {
    if len == 0 {
        return Err(Error::Shape("a gradient step on no parameters".into()));
    }
    let params = SgdParams { len, momentum: momentum as f32, weight_decay: weight_decay as f32 };
    let each = u64::from(len) * 4;
    let bytes = vec![16, each, each, each];
    Ok(Plan::new(&KERNEL, &params, Grid::Items(u64::from(len)), bytes).costing(7 * u64::from(len)))
}
