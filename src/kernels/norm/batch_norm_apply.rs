//! Batch norm with given statistics, and the activation after it, `shaders/norm/batch_norm_apply.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        elementwise::activation::Activation,
        plan::{Grid, Plan},
        reduce::chunking,
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/norm/batch_norm_apply.wgsl`.
    pub struct BatchNormApplyParams {
        /// Groups of four channels in the whole batch.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
        /// Of gamma in `parameters`, in floats.
        gamma_offset: u32,
        /// Of beta in `parameters`, in floats.
        beta_offset: u32,
        /// Added to a running variance.
        eps: f32,
    }
}

crate::kernel! {
    "norm" / "batch_norm_apply", BatchNormApplyParams,
    lib: ["lib/grid", "lib/lanes", "lib/parameters", "lib/special", "lib/activation"],
    bindings: [("x", Read), ("stats", Read), ("parameters", Read), ("y", ReadWrite)],
}

/// `y = act((x - mean) inv_std gamma + beta)`.
///
/// Bindings: x `[N, H, W, C]`; stats f32 `[2, C4 * 4]` (mean, `inv_std`); parameters f32
/// `[parameters_len]`; y like x.
///
/// # Errors
/// A shape past 32-bit indices, or gamma or beta past the end of `parameters`.
pub fn plan(
    x: Nhwc,
    act: Activation,
    gamma_offset: u32,
    beta_offset: u32,
    parameters_len: u32,
) -> Result<Plan> {
    build(x, act, gamma_offset, beta_offset, parameters_len, 0.0)
}

/// The same with running statistics, as `running` of [`crate::kernels::norm::batch_norm_finish`] holds them: stats
/// is f32 `[2, C4 * 4]` (mean, variance).
///
/// # Errors
/// As [`plan`].
pub fn plan_running(
    x: Nhwc,
    act: Activation,
    gamma_offset: u32,
    beta_offset: u32,
    parameters_len: u32,
    eps: f32,
) -> Result<Plan> {
    let plan = build(x, act, gamma_offset, beta_offset, parameters_len, eps)?;
    Ok(plan.with("RUNNING", 1.0))
}

fn build(
    x: Nhwc,
    act: Activation,
    gamma_offset: u32,
    beta_offset: u32,
    parameters_len: u32,
    eps: f32,
) -> Result<Plan> {
    let x = x.checked()?;
    fits("gamma", gamma_offset, x, parameters_len)?;
    fits("beta", beta_offset, x, parameters_len)?;
    let params = BatchNormApplyParams { vec4s: x.vec4s(), c: x.c, gamma_offset, beta_offset, eps };
    let stats = chunking::partial_bytes(x, 1, 2);
    let bytes = vec![x.bytes(), stats, u64::from(parameters_len) * 4, x.bytes()];
    let plan = Plan::new(&KERNEL, &params, Grid::Items(u64::from(x.vec4s())), bytes);
    Ok(plan.with("ACTIVATION", act.code()).costing(x.bytes()))
}

/// Whether a vector of C floats at an offset lies within a flat buffer.
///
/// # Errors
/// It does not.
pub(crate) fn fits(what: &str, offset: u32, x: Nhwc, len: u32) -> Result<()> {
    match offset.checked_add(x.c) {
        Some(end) if end <= len => Ok(()),
        _ => Err(Error::Shape(format!(
            "{what} of {} channels at {offset} does not fit {len} parameters",
            x.c
        ))),
    }
}
