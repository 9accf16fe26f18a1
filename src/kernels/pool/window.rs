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
        /// Rows from one window to the next.
        stride_y: u32,
        /// Columns from one window to the next.
        stride_x: u32,
        /// Rows above the image.
        pad_y: u32,
        /// Columns left of the image.
        pad_x: u32,
        /// Rows of the padded image that a mean with [`Divisor::Padded`] counts.
        counted_y: u32,
        /// Columns of the padded image that it counts.
        counted_x: u32,
        /// Factor of a mean: `1 / (R S)`.
        scale: f32,
    }
}

/// How many taps a mean divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divisor {
    /// All taps of the window, `R S`: zeros around the image count (PyTorch's `count_include_pad`).
    Window,
    /// Those in the image.
    Image,
    /// Those in the image, before it, and this many rows and columns after it: with `ceil_mode` the last windows
    /// reach past the padding, and what lies there does not count.
    Padded([u32; 2]),
}

impl Divisor {
    /// Value of the override constant `DIVISOR` of `shaders/lib/mean.wgsl`.
    pub(super) fn code(self) -> u32 {
        match self {
            Self::Window => 0,
            Self::Image => 1,
            Self::Padded(_) => 2,
        }
    }

    /// Taps of the window at `[row, column]` of an image of `[h, w]` pixels that count.
    #[must_use]
    pub fn taps(self, window: Window, image: [u32; 2], at: [u32; 2]) -> u32 {
        let along = |i: usize| {
            let (start, pad) = (at[i] * window.stride[i], window.before[i]);
            let end = start + window.kernel[i];
            match self {
                Self::Window => window.kernel[i],
                Self::Image => end.min(pad + image[i]) - start.max(pad),
                Self::Padded(after) => end.min(pad + image[i] + after[i]) - start,
            }
        };
        along(0) * along(1)
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
            stride_y: window.stride[0],
            stride_x: window.stride[1],
            pad_y: window.before[0],
            pad_x: window.before[1],
            counted_y: 0,
            counted_x: 0,
            scale: (1.0 / f64::from(rows * columns)) as f32,
        }
    }

    /// The same parameters for a mean with this divisor.
    #[must_use]
    pub fn dividing(mut self, divisor: Divisor) -> Self {
        if let Divisor::Padded([rows, columns]) = divisor {
            self.counted_y = self.pad_y + self.h + rows;
            self.counted_x = self.pad_x + self.w + columns;
        }
        self
    }
}
