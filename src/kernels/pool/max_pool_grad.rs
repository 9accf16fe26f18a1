//! Gradient of the maximum of a sliding window, `shaders/pool/max_pool_grad.wgsl`.

use crate::{
    error::Result,
    kernels::{
        plan::{Grid, Plan},
        pool::max_pool,
    },
    shape::{Nhwc, Window},
};

crate::params! {
    /// Uniform block of `shaders/pool/max_pool_grad.wgsl`.
    pub struct MaxPoolGradParams {
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
    }
}

crate::kernel! {
    "pool" / "max_pool_grad", MaxPoolGradParams,
    lib: ["lib/grid", "lib/lanes", "lib/place", "lib/windows"],
    bindings: [("dy", Read), ("arg", Read), ("dx", ReadWrite)],
}

/// Hands each window's gradient to its maximum; `x` is the shape of dx; bindings dy, arg, dx.
///
/// # Errors
/// As [`max_pool::output`].
pub fn plan(x: Nhwc, window: Window) -> Result<Plan> {
    let y = max_pool::output(x, window)?;
    let params = MaxPoolGradParams {
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
    };
    let bytes = vec![y.bytes(), y.bytes() / 4, x.bytes()];
    Ok(Plan::new(&KERNEL, &params, Grid::Items(u64::from(x.vec4s())), bytes))
}
