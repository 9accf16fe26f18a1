//! Sums of batch norm's gradient, per chunk of pixels, `shaders/norm/batch_norm_grad_sums.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise::activation::Activation,
        plan::{Grid, Plan},
        reduce::chunking::{self, Chunking},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/norm/batch_norm_grad_sums.wgsl`.
    pub struct BatchNormGradSumsParams {
        /// Pixels of the whole batch.
        pixels: u32,
        /// Channels without padding.
        c: u32,
        /// Pixels per chunk.
        chunk: u32,
        /// Channel groups per workgroup.
        block: u32,
    }
}

crate::kernel! {
    "norm" / "batch_norm_grad_sums", BatchNormGradSumsParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/activation", "lib/chunks", "lib/reduce"],
    bindings: [
        ("dy", Read), ("y", Read), ("x", Read), ("stats", Read), ("partial", ReadWrite),
    ],
}

/// Chunks of pixels that the batch is cut into: rows of `partial`.
#[must_use]
pub fn chunks(x: Nhwc) -> u32 {
    chunking::chunks(x)
}

/// `sum dz` and `sum dz xhat` of every chunk and channel, with `dz = dy act'(y)`.
///
/// Bindings: dy, y, x `[N, H, W, C]`; stats f32 `[2, C4 * 4]` (mean, `inv_std`); partial f32
/// `[chunks, 2, C4 * 4]`.
///
/// # Errors
/// A shape past 32-bit indices.
pub fn plan(x: Nhwc, act: Activation) -> Result<Plan> {
    plan_like(x, x, act)
}

/// The same for one part of a batch that comes in parts of the shape `part` (the last may have fewer
/// images): chunks are as large as those of a full part.
///
/// # Errors
/// A shape past 32-bit indices.
pub fn plan_like(x: Nhwc, part: Nhwc, act: Activation) -> Result<Plan> {
    let cut = Chunking::like(x, part)?;
    let params =
        BatchNormGradSumsParams { pixels: x.pixels(), c: x.c, chunk: cut.chunk, block: cut.block };
    let stats = chunking::partial_bytes(x, 1, 2);
    let partial = chunking::partial_bytes(x, cut.chunks, 2);
    let bytes = vec![x.bytes(), x.bytes(), x.bytes(), stats, partial];
    let plan = Plan::new(&KERNEL, &params, Grid::Groups(cut.groups), bytes);
    Ok(plan.with("ACTIVATION", act.code()).costing(6 * x.bytes() / 4))
}
