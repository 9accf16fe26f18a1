//! Gradient of the enlargement, `shaders/layout/upsample_nearest_grad.wgsl`.

use crate::{
    error::Result,
    kernels::{
        layout::upsample_nearest,
        plan::{Grid, Plan},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/layout/upsample_nearest_grad.wgsl`.
    pub struct UpsampleNearestGradParams {
        /// Groups of four channels of dx.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
        /// Rows of the small image.
        h: u32,
        /// Columns of the small image.
        w: u32,
        /// How many times larger the other image is, in both directions.
        factor: u32,
    }
}

crate::kernel! {
    "layout" / "upsample_nearest_grad", UpsampleNearestGradParams,
    lib: ["lib/grid", "lib/lanes", "lib/place"],
    bindings: [("dy", Read), ("dx", ReadWrite)],
}

/// Sums over the blocks of dy; `x` is the small image, the shape of dx; bindings dy, dx.
///
/// # Errors
/// As [`upsample_nearest::output`].
pub fn plan(x: Nhwc, factor: u32) -> Result<Plan> {
    let y = upsample_nearest::output(x, factor)?;
    let params = UpsampleNearestGradParams { vec4s: x.vec4s(), c: x.c, h: x.h, w: x.w, factor };
    let grid = Grid::Items(u64::from(x.vec4s()));
    Ok(Plan::new(&KERNEL, &params, grid, vec![y.bytes(), x.bytes()]))
}
