//! The protected input, `shaders/elementwise/fuse_clamp.wgsl`.

use crate::{
    error::Result,
    kernels::plan::{Grid, Plan},
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/elementwise/fuse_clamp.wgsl`.
    pub struct FuseClampParams {
        /// Groups of four channels in the whole batch.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
    }
}

crate::kernel! {
    "elementwise" / "fuse_clamp", FuseClampParams,
    lib: ["lib/grid", "lib/lanes", "lib/special"],
    bindings: [("x", Read), ("g", Read), ("y", ReadWrite)],
}

/// `y = clamp(x + g, -1, 1)`; bindings x, g, y.
///
/// # Errors
/// A shape past 32-bit indices.
pub fn plan(shape: Nhwc) -> Result<Plan> {
    let shape = shape.checked()?;
    let params = FuseClampParams { vec4s: shape.vec4s(), c: shape.c };
    let bytes = vec![shape.bytes(); 3];
    Ok(Plan::new(&KERNEL, &params, Grid::Items(u64::from(shape.vec4s())), bytes))
}
