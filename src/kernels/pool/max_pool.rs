//! Maximum of a sliding window, `shaders/pool/max_pool.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::plan::{Grid, Plan},
    shape::{Nhwc, Window},
};

crate::params! {
    /// Uniform block of `shaders/pool/max_pool.wgsl`.
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
    "pool" / "max_pool", MaxPoolParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/place"],
    bindings: [("x", Read), ("y", ReadWrite), ("arg", ReadWrite)],
}

/// Shape of the pooled image.
///
/// # Errors
/// The window does not fit, is empty, is padded by more than half of it, or has more than 256 taps.
pub fn output(x: Nhwc, window: Window) -> Result<Nhwc> {
    let [rows, columns] = window.kernel;
    if rows.checked_mul(columns).is_none_or(|taps| taps > 256) {
        let what = format!("max pooling {x} by {window}: a window may have 256 taps");
        return Err(Error::Shape(what));
    }
    pooled(x, window)
}

/// Shape of an image pooled in any way; every window must meet the image, as PyTorch demands.
pub(crate) fn pooled(x: Nhwc, window: Window) -> Result<Nhwc> {
    let x = x.checked()?;
    let [rows, columns] = window.kernel;
    if rows.min(columns) == 0 || window.padding > rows.min(columns) / 2 {
        let what = format!("pooling {x} by {window}: an empty window, or padding past half of it");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_miss_the_image_are_refused() {
        let x = Nhwc::new(2, 16, 17, 3);
        assert_eq!(output(x, Window::square(3, 2, 1)).unwrap(), Nhwc::new(2, 8, 9, 3));
        assert_eq!(output(x, Window::square(16, 1, 0)).unwrap(), Nhwc::new(2, 1, 2, 3));
        for window in [
            Window::square(17, 1, 0),
            Window::square(2, 0, 0),
            Window::square(3, 1, 2),
            Window::square(0, 1, 0),
            Window { kernel: [1 << 16, 1 << 16], stride: 1, padding: 0 },
        ] {
            let refused = plan(x, window).unwrap_err().to_string();
            assert!(refused.contains("16x17") || refused.contains("h=16 w=17"), "{refused}");
        }
    }

    #[test]
    fn a_tap_fits_a_byte() {
        let x = Nhwc::new(1, 1, 300, 3);
        let line = |s| Window { kernel: [1, s], stride: 1, padding: 0 };
        assert_eq!(output(x, line(256)).unwrap(), Nhwc::new(1, 1, 45, 3));
        assert!(output(x, line(257)).is_err());
    }

    #[test]
    fn the_index_takes_a_word_per_four_channels() {
        let plan = plan(Nhwc::new(2, 6, 8, 10), Window::square(2, 2, 0)).unwrap();
        let pixels = 2 * 3 * 4;
        assert_eq!(plan.bytes, [2 * 6 * 8 * 12 * 4, pixels * 12 * 4, pixels * 3 * 4]);
    }
}
