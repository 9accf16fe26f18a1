//! The uniform block of all pools, forward and backward, `shaders/lib/pool.wgsl`.

use crate::shape::{Nhwc, Window};

crate::params! {
    /// Uniform block of `shaders/lib/pool.wgsl`.
    pub struct PoolParams {
        /// Groups of four channels in the output: y forward, dx backward.
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
        /// Factor of a mean: `1 / (R S)`.
        scale: f32,
    }
}

impl PoolParams {
    /// Parameters of windows over x with results y; `written` is the shape that the kernel writes,
    /// x or y.
    #[must_use]
    pub fn new(x: Nhwc, y: Nhwc, window: Window, written: Nhwc) -> Self {
        let [rows, columns] = window.kernel;
        Self {
            vec4s: written.vec4s(),
            c: x.c,
            h: x.h,
            w: x.w,
            oh: y.h,
            ow: y.w,
            rows,
            columns,
            stride: window.stride,
            padding: window.padding,
            scale: (1.0 / f64::from(rows * columns)) as f32,
        }
    }
}
