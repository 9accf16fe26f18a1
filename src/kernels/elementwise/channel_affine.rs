//! A scale and a shift per channel, `shaders/elementwise/channel_affine.wgsl`.

use crate::{
    error::Result,
    kernels::plan::{Grid, Plan},
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/elementwise/channel_affine.wgsl`.
    pub struct ChannelAffineParams {
        /// Groups of four channels in the whole batch.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
    }
}

crate::kernel! {
    "elementwise" / "channel_affine", ChannelAffineParams,
    lib: ["lib/grid", "lib/lanes"],
    bindings: [("x", Read), ("scale", Read), ("shift", Read), ("y", ReadWrite)],
}

/// `y = x scale[c] + shift[c]`; bindings x, scale, shift (f32, padded to a multiple of 4), y.
///
/// # Errors
/// A shape past 32-bit indices.
pub fn plan(shape: Nhwc) -> Result<Plan> {
    let shape = shape.checked()?;
    let params = ChannelAffineParams { vec4s: shape.vec4s(), c: shape.c };
    let channels = u64::from(shape.c4()) * 16;
    let bytes = vec![shape.bytes(), channels, channels, shape.bytes()];
    let plan = Plan::new(&KERNEL, &params, Grid::Items(u64::from(shape.vec4s())), bytes);
    Ok(plan.costing(2 * u64::from(shape.pixels()) * u64::from(shape.c)))
}
