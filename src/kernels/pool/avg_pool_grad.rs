//! Gradient of the mean of a sliding window, `shaders/pool/avg_pool_grad.wgsl`.

use crate::{
    error::Result,
    kernels::{
        plan::{Grid, Plan},
        pool::avg_pool,
    },
    shape::{Nhwc, Window},
};

crate::params! {
    /// Uniform block of `shaders/pool/avg_pool_grad.wgsl`.
    pub struct AvgPoolGradParams {
        /// Groups of four channels of dx.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
        /// Rows of the image.
        h: u32,
        /// Columns of the image.
        w: u32,
        /// Rows of windows.
        oh: u32,
        /// Columns of windows.
        ow: u32,
        /// Rows of a window.
        rows: u32,
        /// Columns of a window.
        columns: u32,
        /// Step between windows.
        stride: u32,
        /// Pixels around the image.
        padding: u32,
        /// `1 / (R S)`.
        scale: f32,
    }
}

crate::kernel! {
    "pool" / "avg_pool_grad", AvgPoolGradParams,
    lib: ["lib/grid", "lib/lanes", "lib/place", "lib/windows"],
    bindings: [("dy", Read), ("dx", ReadWrite)],
}

/// Shares each window's gradient among its taps; `x` is the shape of dx; bindings dy, dx.
///
/// # Errors
/// As [`avg_pool::output`].
pub fn plan(x: Nhwc, window: Window) -> Result<Plan> {
    let y = avg_pool::output(x, window)?;
    let params = AvgPoolGradParams {
        vec4s: x.vec4s(),
        c: x.c,
        h: x.h,
        w: x.w,
        oh: y.h,
        ow: y.w,
        rows: window.kernel[0],
        columns: window.kernel[1],
        stride: window.stride,
        padding: window.padding,
        scale: (1.0 / f64::from(window.kernel[0] * window.kernel[1])) as f32,
    };
    let grid = Grid::Items(u64::from(x.vec4s()));
    Ok(Plan::new(&KERNEL, &params, grid, vec![y.bytes(), x.bytes()]))
}
