//! Shapes with named dimensions: images, weights, windows, and their checked lengths. No GPU is
//! involved.
//!
//! Letters: N batch, C channels in, K channels out, H W image, R S kernel.

use crate::error::{Error, Result};
use std::fmt;

/// Images or activations `[N, H, W, C]`, channels fastest and padded to a multiple of 4 in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nhwc {
    /// Images.
    pub n: u32,
    /// Rows.
    pub h: u32,
    /// Columns.
    pub w: u32,
    /// Channels, without padding.
    pub c: u32,
}

impl Nhwc {
    /// A shape from its four extents.
    #[must_use]
    pub fn new(n: u32, h: u32, w: u32, c: u32) -> Self {
        Self { n, h, w, c }
    }

    /// Groups of four channels: `ceil(C / 4)`.
    #[must_use]
    pub fn c4(self) -> u32 {
        self.c.div_ceil(4)
    }

    /// Pixels of the whole batch: `N H W`.
    #[must_use]
    pub fn pixels(self) -> u32 {
        self.n * self.h * self.w
    }

    /// `vec4` elements in memory: `N H W ceil(C / 4)`.
    #[must_use]
    pub fn vec4s(self) -> u32 {
        self.pixels() * self.c4()
    }

    /// Bytes in memory as f32, padding included.
    #[must_use]
    pub fn bytes(self) -> u64 {
        u64::from(self.pixels()) * u64::from(self.c4()) * 16
    }

    /// Checks that every index fits the 32 bits of WGSL.
    ///
    /// # Errors
    /// [`Error::TooManyElements`] when it does not, [`Error::Shape`] when an extent is 0.
    pub fn checked(self) -> Result<Self> {
        let len = [self.n, self.h, self.w, self.c4() * 4]
            .iter()
            .try_fold(1u32, |product, &extent| product.checked_mul(extent));
        match len {
            Some(len) if len > 0 => Ok(self),
            Some(_) => Err(Error::Shape(format!("{self} is empty"))),
            None => Err(Error::TooManyElements { what: self.to_string() }),
        }
    }

    /// The same images with another number of channels.
    #[must_use]
    pub fn with_c(self, c: u32) -> Self {
        Self { c, ..self }
    }
}

impl fmt::Display for Nhwc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[n={} h={} w={} c={}]", self.n, self.h, self.w, self.c)
    }
}

/// Convolution weights in memory `[R, S, C, K]`, K fastest; C and K padded to multiples of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rsck {
    /// Kernel rows.
    pub r: u32,
    /// Kernel columns.
    pub s: u32,
    /// Channels in, without padding.
    pub c: u32,
    /// Channels out, without padding.
    pub k: u32,
}

impl Rsck {
    /// A shape from its four extents.
    #[must_use]
    pub fn new(r: u32, s: u32, c: u32, k: u32) -> Self {
        Self { r, s, c, k }
    }

    /// Weights without padding: `R S C K`.
    #[must_use]
    pub fn len(self) -> u32 {
        self.r * self.s * self.c * self.k
    }

    /// Whether there is no weight at all.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// f32 elements in memory, padding included.
    #[must_use]
    pub fn padded_len(self) -> u32 {
        self.r * self.s * self.c.next_multiple_of(4) * self.k.next_multiple_of(4)
    }

    /// Bytes in memory as f32, padding included.
    #[must_use]
    pub fn bytes(self) -> u64 {
        u64::from(self.padded_len()) * 4
    }

    /// The same weights with the roles of input and output exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { c: self.k, k: self.c, ..self }
    }
}

impl fmt::Display for Rsck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[r={} s={} c={} k={}]", self.r, self.s, self.c, self.k)
    }
}

/// A sliding window: kernel size, stride and zero padding of a convolution or pool, each of rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Kernel rows R and columns S.
    pub kernel: [u32; 2],
    /// Step from one window to the next.
    pub stride: [u32; 2],
    /// Zeros above the first row, and left of the first column.
    pub before: [u32; 2],
    /// Zeros below the last row, and right of the last column.
    pub after: [u32; 2],
}

impl Window {
    /// A window with one stride for both axes and the same padding on every side.
    #[must_use]
    pub const fn even(kernel: [u32; 2], stride: u32, padding: u32) -> Self {
        Self { kernel, stride: [stride; 2], before: [padding; 2], after: [padding; 2] }
    }

    /// A square window.
    #[must_use]
    pub const fn square(kernel: u32, stride: u32, padding: u32) -> Self {
        Self::even([kernel; 2], stride, padding)
    }

    /// Stride and padding, if both axes and all sides have the same ones.
    #[must_use]
    pub fn as_even(self) -> Option<(u32, u32)> {
        let (stride, padding) = (self.stride[0], self.before[0]);
        (Self::even(self.kernel, stride, padding) == self).then_some((stride, padding))
    }

    /// The window without dilation that has the same extent as this one with its taps `dilation` rows and columns
    /// apart.
    ///
    /// # Errors
    /// A window or dilation of 0, or an extent past 32 bits.
    pub fn spread(self, dilation: [u32; 2]) -> Result<Self> {
        let reach = |taps: u32, by: u32| taps.checked_sub(1)?.checked_mul(by)?.checked_add(1);
        let [r, s] = [0, 1].map(|i| reach(self.kernel[i], dilation[i]));
        match (r, s) {
            (Some(r), Some(s)) if !dilation.contains(&0) => Ok(Self { kernel: [r, s], ..self }),
            _ => Err(Error::Shape(format!("a window of {self} with dilation {dilation:?}"))),
        }
    }

    /// Height and width after a convolution or pool: `(H + before + after - R) / stride + 1`.
    ///
    /// # Errors
    /// The window does not fit into the padded image, or the stride is 0.
    pub fn output(self, h: u32, w: u32) -> Result<[u32; 2]> {
        let side = |extent: u32, i: usize| {
            let padded = extent.checked_add(self.before[i])?.checked_add(self.after[i])?;
            padded.checked_sub(self.kernel[i])?.checked_div(self.stride[i]).map(|q| q + 1)
        };
        match (side(h, 0), side(w, 1)) {
            (Some(h), Some(w)) => Ok([h, w]),
            _ => Err(Error::Shape(format!("a window of {self} does not fit an image of {h}x{w}"))),
        }
    }

    /// Height and width after a transposed convolution: `(H - 1) stride - before - after + R`.
    pub fn transposed_output(self, h: u32, w: u32) -> Result<[u32; 2]> {
        let side = |extent: u32, i: usize| {
            let whole = extent.checked_sub(1)?.checked_mul(self.stride[i])?;
            whole
                .checked_add(self.kernel[i])?
                .checked_sub(self.before[i].checked_add(self.after[i])?)
        };
        match (side(h, 0), side(w, 1)) {
            (Some(h @ 1..), Some(w @ 1..)) => Ok([h, w]),
            _ => Err(Error::Shape(format!(
                "a transposed convolution of {self} leaves nothing of an image of {h}x{w}"
            ))),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, s] = self.kernel;
        if let Some((stride, padding)) = self.as_even() {
            return write!(f, "{r}x{s}, stride {stride}, padding {padding}");
        }
        let ([down, right], [top, left], [bottom, end]) = (self.stride, self.before, self.after);
        write!(
            f,
            "{r}x{s}, stride {down}x{right}, padding {top},{left} before and {bottom},{end} after"
        )
    }
}

/// Values `[pixels, c]` as they lie in memory: channels padded to a multiple of 4 with `fill`.
#[must_use]
pub fn pad_channels(values: &[f32], c: u32, fill: f32) -> Vec<f32> {
    let (c, padded) = (c as usize, c.next_multiple_of(4) as usize);
    let mut out = Vec::with_capacity(values.len() / c * padded);
    for pixel in values.chunks(c) {
        out.extend_from_slice(pixel);
        out.resize(out.len() + padded - c, fill);
    }
    out
}

/// Values `[pixels, c]` from memory with padded channels; the inverse of [`pad_channels`].
#[must_use]
pub fn unpad_channels(padded: &[f32], c: u32) -> Vec<f32> {
    let stride = c.next_multiple_of(4) as usize;
    padded.chunks(stride).flat_map(|pixel| &pixel[..c as usize]).copied().collect()
}

/// Images in PyTorch's order `[N, C, H, W]` as they lie in memory: `[N, H, W, C]`, channels padded to a
/// multiple of 4 with `fill`.
#[must_use]
pub fn nhwc_from_nchw(values: &[f32], shape: Nhwc, fill: f32) -> Vec<f32> {
    let (c, plane) = (shape.c as usize, (shape.h * shape.w) as usize);
    let pixel =
        |i: usize| (0..c).map(move |channel| i / plane * c * plane + channel * plane + i % plane);
    let dense: Vec<f32> =
        (0..shape.pixels() as usize).flat_map(pixel).map(|at| values[at]).collect();
    pad_channels(&dense, shape.c, fill)
}

/// Images from memory in PyTorch's order; the inverse of [`nhwc_from_nchw`].
#[must_use]
pub fn nchw_from_nhwc(padded: &[f32], shape: Nhwc) -> Vec<f32> {
    let (c, stride) = (shape.c as usize, shape.c.next_multiple_of(4) as usize);
    let plane = (shape.h * shape.w) as usize;
    let image = |pixels: &[f32]| -> Vec<f32> {
        (0..c * plane).map(|i| pixels[i % plane * stride + i / plane]).collect()
    };
    padded.chunks(plane * stride).take(shape.n as usize).flat_map(image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_pytorch() {
        assert_eq!(Window::square(3, 1, 1).output(32, 32).unwrap(), [32, 32]);
        assert_eq!(Window::square(3, 2, 1).output(7, 5).unwrap(), [4, 3]);
        assert_eq!(Window::square(4, 2, 1).transposed_output(4, 4).unwrap(), [8, 8]);
        assert_eq!(Window::square(2, 2, 1).transposed_output(4, 8).unwrap(), [6, 14]);
        // PyTorch's F.pad(x, (1, 2, 0, 3)) and conv2d with a 3x2 kernel and stride (2, 1).
        let sides = Window { kernel: [3, 2], stride: [2, 1], before: [0, 1], after: [3, 2] };
        assert_eq!(sides.output(6, 5).unwrap(), [4, 7]);
        assert_eq!(sides.transposed_output(4, 7).unwrap(), [6, 5]);
        assert!(Window::square(5, 1, 0).output(4, 9).is_err());
        assert!(Window::square(3, 1, u32::MAX).output(4, 4).is_err());
        assert!(Window::square(2, 0, 0).output(4, 4).is_err());
    }

    #[test]
    fn channel_padding_round_trips() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let padded = pad_channels(&x, 3, 0.0);
        assert_eq!(padded, [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0]);
        assert_eq!(unpad_channels(&padded, 3), x);
    }

    #[test]
    fn pytorch_order_round_trips() {
        let shape = Nhwc::new(2, 1, 2, 3);
        let nchw: Vec<f32> = (0..12u8).map(f32::from).collect();
        let nhwc = nhwc_from_nchw(&nchw, shape, -1.0);
        assert_eq!(nhwc[..8], [0.0, 2.0, 4.0, -1.0, 1.0, 3.0, 5.0, -1.0]);
        assert_eq!(nhwc[8..], [6.0, 8.0, 10.0, -1.0, 7.0, 9.0, 11.0, -1.0]);
        assert_eq!(nchw_from_nhwc(&nhwc, shape), nchw);
    }

    #[test]
    fn an_index_past_32_bits_is_refused() {
        assert!(Nhwc::new(1 << 12, 1 << 10, 1 << 10, 1).checked().is_err());
        assert!(Nhwc::new(0, 1, 1, 1).checked().is_err());
    }
}
