//! Gradients of gamma and beta, `shaders/norm/batch_norm_grad_finish.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        norm::batch_norm_apply::fits,
        plan::{Grid, Plan},
        reduce::chunking,
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/norm/batch_norm_grad_finish.wgsl`.
    pub struct BatchNormGradFinishParams {
        /// Channels without padding.
        c: u32,
        /// Chunks.
        chunks: u32,
        /// Of gamma in `gradients`, in floats.
        gamma_offset: u32,
        /// Of beta in `gradients`, in floats.
        beta_offset: u32,
    }
}

crate::kernel! {
    "norm" / "batch_norm_grad_finish", BatchNormGradFinishParams,
    lib: ["lib/grid", "lib/lanes", "lib/reduce"],
    bindings: [("partial", Read), ("sums", ReadWrite), ("gradients", ReadWrite)],
}

/// Sums over the chunks of [`crate::kernels::norm::batch_norm_grad_sums`], which are the gradients of beta and
/// gamma.
///
/// Bindings: partial f32 `[chunks, 2, C4 * 4]`; sums f32 `[2, C4 * 4]`; gradients f32
/// `[parameters_len]`, changed only at gamma's and beta's places.
///
/// # Errors
/// A shape past 32-bit indices, no chunk, or gamma or beta past the end of `gradients`.
pub fn plan(
    x: Nhwc,
    chunks: u32,
    gamma_offset: u32,
    beta_offset: u32,
    parameters_len: u32,
) -> Result<Plan> {
    let x = x.checked()?;
    if chunks == 0 {
        return Err(Error::Shape(format!("no chunk of {x}")));
    }
    fits("gamma", gamma_offset, x, parameters_len)?;
    fits("beta", beta_offset, x, parameters_len)?;
    let params = BatchNormGradFinishParams { c: x.c, chunks, gamma_offset, beta_offset };
    let partial = chunking::partial_bytes(x, chunks, 2);
    let bytes = vec![partial, chunking::partial_bytes(x, 1, 2), u64::from(parameters_len) * 4];
    let plan = Plan::new(&KERNEL, &params, Grid::Groups(u64::from(x.c4())), bytes);
    Ok(plan.costing(partial / 4))
}
