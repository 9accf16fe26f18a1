//! Residual addition, `shaders/elementwise/add.wgsl`.

use crate::{
    error::Result,
    kernels::plan::{Grid, Plan},
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/elementwise/add.wgsl`.
    pub struct AddParams {
        /// Groups of four channels in the whole batch.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
    }
}

crate::kernel! {
    "elementwise" / "add", AddParams,
    lib: ["lib/grid", "lib/lanes"],
    bindings: [("a", Read), ("b", Read), ("y", ReadWrite)],
}

/// `y = a + b`, all of one shape.
///
/// # Errors
/// A shape past 32-bit indices.
pub fn plan(shape: Nhwc) -> Result<Plan> {
    let shape = shape.checked()?;
    let params = AddParams { vec4s: shape.vec4s(), c: shape.c };
    let bytes = vec![shape.bytes(); 3];
    Ok(Plan::new(&KERNEL, &params, Grid::Items(u64::from(shape.vec4s())), bytes))
}
