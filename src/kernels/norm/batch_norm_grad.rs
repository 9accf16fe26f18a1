//! Gradient of batch norm's input, `shaders/norm/batch_norm_grad.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise::activation::Activation,
        norm::batch_norm_apply::fits,
        plan::{Grid, Plan},
        reduce::chunking,
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/norm/batch_norm_grad.wgsl`.
    pub struct BatchNormGradParams {
        /// Groups of four channels in the whole batch.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
        /// Of gamma in `parameters`, in floats.
        gamma_offset: u32,
        /// Pixels of the whole batch.
        pixels: u32,
    }
}

crate::kernel! {
    "norm" / "batch_norm_grad", BatchNormGradParams,
    lib: ["lib/grid", "lib/lanes", "lib/parameters", "lib/special", "lib/activation"],
    bindings: [
        ("dy", Read), ("y", Read), ("x", Read), ("stats", Read), ("sums", Read),
        ("parameters", Read), ("dx", ReadWrite),
    ],
}

/// `dx = gamma inv_std (dz - sum dz / M - xhat sum dz xhat / M)` with `dz = dy act'(y)` and M
/// the `pixels` of the whole batch, of which x may be a part.
///
/// Bindings: dy, y, x `[N, H, W, C]`; stats (mean, `inv_std`) and sums (of
/// [`crate::kernels::norm::batch_norm_grad_finish`]) f32 `[2, C4 * 4]`; parameters f32 `[parameters_len]`; dx like
/// x.
///
/// # Errors
/// A shape past 32-bit indices, or gamma past the end of `parameters`.
pub fn plan(
    x: Nhwc,
    pixels: u32,
    act: Activation,
    gamma_offset: u32,
    parameters_len: u32,
) -> Result<Plan> {
    let x = x.checked()?;
    fits("gamma", gamma_offset, x, parameters_len)?;
    let params = BatchNormGradParams { vec4s: x.vec4s(), c: x.c, gamma_offset, pixels };
    let vectors = chunking::partial_bytes(x, 1, 2);
    let parameters = u64::from(parameters_len) * 4;
    let bytes = vec![x.bytes(), x.bytes(), x.bytes(), vectors, vectors, parameters, x.bytes()];
    let plan = Plan::new(&KERNEL, &params, Grid::Items(u64::from(x.vec4s())), bytes);
    Ok(plan.with("ACTIVATION", act.code()).costing(10 * x.bytes() / 4))
}
