//! Sums of every channel, per chunk of pixels, `shaders/reduce/channel_sum.wgsl`.

use crate::{
    error::Result,
    kernels::{
        plan::{Grid, Plan},
        reduce::chunking::{self, Chunking},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/reduce/channel_sum.wgsl`.
    pub struct ChannelSumParams {
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
    "reduce" / "channel_sum", ChannelSumParams,
    lib: ["lib/grid", "lib/lanes", "lib/chunks", "lib/reduce"],
    bindings: [("x", Read), ("partial", ReadWrite)],
}

/// Chunks of pixels that the batch is cut into: rows of `partial`.
#[must_use]
pub fn chunks(x: Nhwc) -> u32 {
    chunking::chunks(x)
}

/// The sum of every chunk and channel; [`crate::kernels::reduce::sum_partials`] adds the chunks.
///
/// Bindings: x `[N, H, W, C]`, partial f32 `[chunks, C4 * 4]`.
///
/// # Errors
/// A shape past 32-bit indices.
pub fn plan(x: Nhwc) -> Result<Plan> {
    let cut = Chunking::of(x)?;
    let params =
        ChannelSumParams { pixels: x.pixels(), c: x.c, chunk: cut.chunk, block: cut.block };
    let bytes = vec![x.bytes(), chunking::partial_bytes(x, cut.chunks, 1)];
    let plan = Plan::new(&KERNEL, &params, Grid::Groups(cut.groups), bytes);
    Ok(plan.costing(x.bytes() / 4))
}
