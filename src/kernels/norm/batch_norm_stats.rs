//! Batch statistics of every channel, per chunk of pixels, `shaders/norm/batch_norm_stats.wgsl`.

use crate::{
    error::Result,
    kernels::{
        plan::{Grid, Plan},
        reduce::chunking::{self, Chunking},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/norm/batch_norm_stats.wgsl`.
    pub struct BatchNormStatsParams {
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
    "norm" / "batch_norm_stats", BatchNormStatsParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/chunks", "lib/reduce"],
    bindings: [("x", Read), ("partial", ReadWrite)],
}

/// Chunks of pixels that the batch is cut into: rows of `partial`.
#[must_use]
pub fn chunks(x: Nhwc) -> u32 {
    chunking::chunks(x)
}

/// Chunks of a batch in parts: what [`plan_like`] writes for all of them.
#[must_use]
pub fn chunks_of(whole: Nhwc, part: Nhwc) -> u32 {
    chunking::chunks_of(whole, part)
}

/// Mean and sum of squared deviations of every chunk and channel.
///
/// Bindings: x `[N, H, W, C]`, partial f32 `[chunks, 2, C4 * 4]` (mean, M2).
///
/// # Errors
/// A shape past 32-bit indices.
pub fn plan(x: Nhwc) -> Result<Plan> {
    plan_like(x, x)
}

/// The same for one part of a batch that comes in parts of the shape `part` (the last may have fewer
/// images): chunks are as large as those of a full part.
///
/// # Errors
/// A shape past 32-bit indices.
pub fn plan_like(x: Nhwc, part: Nhwc) -> Result<Plan> {
    let cut = Chunking::like(x, part)?;
    let params =
        BatchNormStatsParams { pixels: x.pixels(), c: x.c, chunk: cut.chunk, block: cut.block };
    let bytes = vec![x.bytes(), chunking::partial_bytes(x, cut.chunks, 2)];
    let plan = Plan::new(&KERNEL, &params, Grid::Groups(cut.groups), bytes);
    Ok(plan.costing(5 * x.bytes() / 4))
}
