//! Maximum of a sliding window, `shaders/max_pool.wgsl`.

use crate::{
    error::{Error, Result},
    kernel::{Grid, Plan},
    shape::{Nhwc, Window},
};

crate::params! {
    /// Uniform block of `shaders/max_pool.wgsl`.
    pub struct MaxPoolParams {
        /// Groups of four channels of y.
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
    "max_pool", MaxPoolParams,
    lib: ["lib/grid", "lib/lanes", "lib/place"],
    bindings: [("x", Read), ("y", ReadWrite), ("arg", ReadWrite)],
}

/// Shape of the pooled image.
///
/// # Errors
/// The window does not fit, its padding is more than half of it, or it has more than 256 taps.
pub fn output(x: Nhwc, window: Window) -> Result<Nhwc> {
    let [rows, columns] = window.kernel;
    if rows.checked_mul(columns).is_none_or(|taps| taps > 256) {
        let what = format!("max pooling {x} by {window}: a window may have 256 taps");
        return Err(Error::Shape(what));
    }
    pooled(x, window)
}

/// Shape of an image pooled in any way; every window must meet the image, as PyTorch demands.
pub(super) fn pooled(x: Nhwc, window: Window) -> Result<Nhwc> {
    let x = x.checked()?;
    let [rows, columns] = window.kernel;
    if window.padding > rows.min(columns) / 2 {
        let what = format!("pooling {x} by {window}: padding may be half of the kernel at most");
        return Err(Error::Shape(what));
    }
    let [h, w] = window.output(x.h, x.w)?;
    Nhwc { h, w, ..x }.checked()
}

/// The maximum over each window; bindings x, y, arg. A word of arg belongs to a group of four
/// channels: byte j is `r S + s` of lane j's maximum, 0 in padding lanes.
///
/// # Errors
/// As [`output`].
pub fn plan(x: Nhwc, window: Window) -> Result<Plan> {
    let y = output(x, window)?;
    let params = MaxPoolParams {
        vec4s: y.vec4s(),
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
    let taps = u64::from(window.kernel[0] * window.kernel[1]);
    let bytes = vec![x.bytes(), y.bytes(), y.bytes() / 4];
    let plan = Plan::new(&KERNEL, &params, Grid::Items(u64::from(y.vec4s())), bytes);
    Ok(plan.costing(u64::from(y.pixels()) * u64::from(y.c) * taps))
}
