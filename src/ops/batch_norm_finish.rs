//! Batch statistics from those of the chunks, `shaders/batch_norm_finish.wgsl`.

use super::chunking::{self, Chunking};
use crate::{
    error::{Error, Result},
    kernel::{Grid, Plan},
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/batch_norm_finish.wgsl`.
    pub struct BatchNormFinishParams {
        /// Pixels of the whole batch.
        pixels: u32,
        /// Channels without padding.
        c: u32,
        /// Pixels per chunk.
        chunk: u32,
        /// Chunks.
        chunks: u32,
        /// Added to the variance.
        eps: f32,
        /// Share of the batch in the new running statistics.
        momentum: f32,
    }
}

crate::kernel! {
    "batch_norm_finish", BatchNormFinishParams,
    lib: ["lib/grid", "lib/lanes", "lib/reduce"],
    bindings: [("partial", Read), ("running", ReadWrite), ("stats", ReadWrite)],
}

/// Normalisers of the batch, and the running statistics brought up to date as PyTorch does it.
///
/// Bindings: partial f32 `[chunks, 2, C4 * 4]` of [`super::batch_norm_stats`]; running f32
/// `[2, C4 * 4]` (mean, variance), changed in place; stats f32 `[2, C4 * 4]` (mean,
/// `1 / sqrt(variance + eps)`).
///
/// # Errors
/// A shape past 32-bit indices, other chunks than [`super::batch_norm_stats`] makes of it, or a
/// single value per channel, which has no variance.
pub fn plan(x: Nhwc, chunks: u32, eps: f32, momentum: f32) -> Result<Plan> {
    let cut = Chunking::of(x)?;
    if chunks != cut.chunks {
        return Err(Error::Shape(format!("{chunks} chunks of {x}, which has {}", cut.chunks)));
    }
    if x.pixels() < 2 {
        return Err(Error::Shape(format!(
            "batch norm in training needs more than one value per channel; input is {x}"
        )));
    }
    let params = BatchNormFinishParams {
        pixels: x.pixels(),
        c: x.c,
        chunk: cut.chunk,
        chunks,
        eps,
        momentum,
    };
    let vectors = chunking::partial_bytes(x, 1, 2);
    let bytes = vec![chunking::partial_bytes(x, chunks, 2), vectors, vectors];
    let plan = Plan::new(&KERNEL, &params, Grid::Groups(u64::from(x.c4())), bytes);
    Ok(plan.costing(2 * chunking::partial_bytes(x, chunks, 2)))
}
