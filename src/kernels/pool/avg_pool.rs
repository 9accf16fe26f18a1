//! Mean of a sliding window, `shaders/pool/avg_pool.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{Grid, Plan},
        pool::max_pool,
    },
    shape::{Nhwc, Window},
};

crate::params! {
    /// Uniform block of `shaders/pool/avg_pool.wgsl`.
    pub struct AvgPoolParams {
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
        /// `1 / (R S)`.
        scale: f32,
    }
}

crate::kernel! {
    "pool" / "avg_pool", AvgPoolParams,
    lib: ["lib/grid", "lib/lanes", "lib/place"],
    bindings: [("x", Read), ("y", ReadWrite)],
}

/// Shape of the pooled image.
///
/// # Errors
/// The window does not fit, is empty, is padded by more than half of it, or has more than about
/// 65,000 taps (some drivers cut longer loops off).
pub fn output(x: Nhwc, window: Window) -> Result<Nhwc> {
    let [rows, columns] = window.kernel.map(u64::from);
    // The turns of both loops, their last tests included.
    if rows.saturating_mul(columns + 2) > 65_000 {
        let what = format!("average pooling {x} by {window}: the window is too large");
        return Err(Error::Shape(what));
    }
    max_pool::pooled(x, window)
}

/// The mean over each window, zeros of the padding included; bindings x, y. Global pooling is a
/// window of the image's size.
///
/// # Errors
/// As [`output`].
pub fn plan(x: Nhwc, window: Window) -> Result<Plan> {
    let y = output(x, window)?;
    let params = AvgPoolParams {
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
        scale: (1.0 / f64::from(window.kernel[0] * window.kernel[1])) as f32,
    };
    let taps = u64::from(window.kernel[0] * window.kernel[1]);
    let grid = Grid::Items(u64::from(y.vec4s()));
    let plan = Plan::new(&KERNEL, &params, grid, vec![x.bytes(), y.bytes()]);
    Ok(plan.costing(u64::from(y.pixels()) * u64::from(y.c) * taps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_the_whole_image_is_global_and_longer_loops_are_refused() {
        let x = Nhwc::new(1, 224, 224, 64);
        let global = Window { kernel: [224, 224], stride: 1, padding: 0 };
        assert_eq!(output(x, global).unwrap(), Nhwc::new(1, 1, 1, 64));
        let larger = Window { kernel: [256, 256], stride: 1, padding: 0 };
        assert!(output(Nhwc::new(1, 256, 256, 4), larger).is_err());
        assert!(output(x, Window::square(0, 1, 0)).is_err());
    }
}
