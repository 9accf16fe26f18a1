//! Gradient through a recorded ReLU, `shaders/elementwise/mask_gradient.wgsl`.

use crate::{
    error::Result,
    kernels::{
        conv::conv2d::mask_bytes,
        plan::{Grid, Plan},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/elementwise/mask_gradient.wgsl`.
    pub struct MaskGradientParams {
        /// Groups of four channels in one copy.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
        /// Copies.
        copies: u32,
    }
}

crate::kernel! {
    "elementwise" / "mask_gradient", MaskGradientParams,
    lib: ["lib/grid", "lib/lanes"],
    bindings: [("dy", Read), ("mask", Read), ("dx", ReadWrite)],
}

/// `dx = dy` where the mask of `copies` tensors of `shape` is set.
///
/// # Errors
/// A shape past 32-bit indices.
pub fn plan(shape: Nhwc, copies: u32) -> Result<Plan> {
    let whole = Nhwc { n: shape.n * copies, ..shape }.checked()?;
    let params = MaskGradientParams { vec4s: shape.vec4s(), c: shape.c, copies };
    let bytes = vec![whole.bytes(), mask_bytes(shape, copies), whole.bytes()];
    Ok(Plan::new(&KERNEL, &params, Grid::Items(u64::from(whole.vec4s())), bytes))
}
