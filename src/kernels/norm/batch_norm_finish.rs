//! Batch statistics from those of the chunks, `shaders/norm/batch_norm_finish.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{Grid, Plan},
        reduce::chunking::{self, Chunking},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/norm/batch_norm_finish.wgsl`.
    pub struct BatchNormFinishParams {
        /// Pixels of the whole batch.
        pixels: u32,
        /// Channels without padding.
        c: u32,
        /// Pixels of a full part.
        part: u32,
        /// Pixels per chunk.
        chunk: u32,
        /// Chunks of a full part.
        part_chunks: u32,
        /// Chunks.
        chunks: u32,
        /// Added to the variance.
        eps: f32,
        /// Share of the batch in the new running statistics.
        momentum: f32,
    }
}

crate::kernel! {
    "norm" / "batch_norm_finish", BatchNormFinishParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/reduce"],
    bindings: [("partial", Read), ("running", ReadWrite), ("stats", ReadWrite)],
}

/// Normalisers of a batch `x` that came in parts of the shape `part` (the last may have fewer images), and the running statistics brought up to date as PyTorch does it.
///
/// Bindings: partial f32 `[chunks, 2, C4 * 4]` of [`crate::kernels::norm::batch_norm_stats`]; running f32
/// `[2, C4 * 4]` (mean, variance), changed in place; stats f32 `[2, C4 * 4]` (mean,
/// `1 / sqrt(variance + eps)`).
///
/// # Errors
/// A shape past 32-bit indices, parts of other images, or a single value per channel, which has no
/// variance.
pub fn plan(x: Nhwc, part: Nhwc, eps: f32, momentum: f32) -> Result<Plan> {
    let (x, cut) = (x.checked()?, Chunking::of(part)?);
    if part.n > x.n || part != (Nhwc { n: part.n, ..x }) {
        return Err(Error::Shape(format!("{part} is no part of {x}")));
    }
    let chunks = chunking::chunks_of(x, part);
    if x.pixels() < 2 {
        return Err(Error::Shape(format!(
            "batch norm in training needs more than one value per channel; input is {x}"
        )));
    }
    let params = BatchNormFinishParams {
        pixels: x.pixels(),
        c: x.c,
        part: part.pixels(),
        chunk: cut.chunk,
        part_chunks: cut.chunks,
        chunks,
        eps,
        momentum,
    };
    let vectors = chunking::partial_bytes(x, 1, 2);
    let bytes = vec![chunking::partial_bytes(x, chunks, 2), vectors, vectors];
    let plan = Plan::new(&KERNEL, &params, Grid::Groups(u64::from(x.c4())), bytes);
    Ok(plan.costing(2 * chunking::partial_bytes(x, chunks, 2)))
}
