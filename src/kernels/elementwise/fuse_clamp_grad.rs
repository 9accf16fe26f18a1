//! Gradient of the protected input, `shaders/elementwise/fuse_clamp_grad.wgsl`.

use crate::{
    error::Result,
    kernels::plan::{Grid, Plan},
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/elementwise/fuse_clamp_grad.wgsl`.
    pub struct FuseClampGradParams {
        /// Groups of four channels in the whole batch.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
    }
}

crate::kernel! {
    "elementwise" / "fuse_clamp_grad", FuseClampGradParams,
    lib: ["lib/grid", "lib/lanes", "lib/special"],
    bindings: [("dy", Read), ("x", Read), ("g", Read), ("dg", ReadWrite)],
}

/// `dg = dy` where `-1 <= x + g <= 1`, else 0; bindings dy, x, g, dg.
///
/// # Errors
/// A shape past 32-bit indices.
pub fn plan(shape: Nhwc) -> Result<Plan> {
    let shape = shape.checked()?;
    let params = FuseClampGradParams { vec4s: shape.vec4s(), c: shape.c };
    let bytes = vec![shape.bytes(); 4];
    Ok(Plan::new(&KERNEL, &params, Grid::Items(u64::from(shape.vec4s())), bytes))
}
