//! What the kernel computes: shapes, window, groups and copies of one gather, and its epilogue.

use crate::{
    error::{Error, Result},
    kernels::plan::Dtype,
    shape::{Nhwc, Rsck, Window},
};

/// One use of the kernel. It computes every convolution as a gather: an output pixel sums over the
/// input pixels that its window covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Input of one copy.
    pub x: Nhwc,
    /// Output of one copy.
    pub y: Nhwc,
    /// Kernel size, stride and padding.
    pub window: Window,
    /// Whether it is a transposed convolution, or the input gradient of a convolution.
    pub transposed: bool,
    /// Number of sets of weights.
    pub copies: u32,
    /// Whether all copies read the same input.
    pub shared_input: bool,
    /// Whether there is one output, the sum over the copies.
    pub sum_copies: bool,
    /// Precision of inputs and weights.
    pub dtype: Dtype,
    /// Number of groups of channels, which are convolved independently.
    pub groups: u32,
    /// Rows and columns from one tap to the next.
    pub dilation: [u32; 2],
}

/// What one dispatch does to the sum before it writes it, and to the input before it is summed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Epilogue {
    /// Floats in the `affine` buffer.
    pub affine_len: u32,
    /// Offset of the channel scales in `affine`.
    pub scale: Option<u32>,
    /// Offset of the channel shifts (or biases) in `affine`.
    pub shift: Option<u32>,
    /// Adds the `residual` buffer.
    pub residual: bool,
    /// Applies ReLU.
    pub relu: bool,
    /// With ReLU: the most that it lets through, as 6 of `ReLU6`; with `None` it is open above.
    pub ceiling: Option<f32>,
    /// Records a bit per output: whether it is positive, and below the ceiling.
    pub mask_out: bool,
    /// Takes the input only where a recorded mask is set.
    pub mask_in: bool,
}

impl Epilogue {
    /// Values of the override constants `RELU` and `CEILING` of `shaders/lib/epilogue.wgsl`.
    ///
    /// # Errors
    /// A ceiling without ReLU, or one that is not a positive number.
    pub(crate) fn rectifier(self) -> Result<[(&'static str, f64); 2]> {
        let kind = match (self.relu, self.ceiling) {
            (relu, None) => f64::from(u8::from(relu)),
            (true, Some(ceiling)) if ceiling > 0.0 && ceiling.is_normal() => 2.0,
            (_, Some(ceiling)) => {
                return Err(Error::Shape(format!("a ReLU that ends at {ceiling}")));
            }
        };
        Ok([("RELU", kind), ("CEILING", f64::from(self.ceiling.unwrap_or(0.0)))])
    }
}

impl Conv2d {
    /// A convolution of x to y with nothing unusual.
    fn of(x: Nhwc, y: Nhwc, window: Window) -> Self {
        Self {
            x,
            y,
            window,
            transposed: false,
            copies: 1,
            shared_input: false,
            sum_copies: false,
            dtype: Dtype::F32,
            groups: 1,
            dilation: [1; 2],
        }
    }

    /// A convolution of `x` with `k` output channels.
    pub fn forward(x: Nhwc, k: u32, window: Window) -> Result<Self> {
        let [h, w] = window.output(x.h, x.w)?;
        Ok(Self::of(x, Nhwc::new(x.n, h, w, k), window))
    }

    /// A transposed convolution of `x` with `k` output channels.
    pub fn transposed(x: Nhwc, k: u32, window: Window) -> Result<Self> {
        let [h, w] = window.transposed_output(x.h, x.w)?;
        Ok(Self { transposed: true, ..Self::of(x, Nhwc::new(x.n, h, w, k), window) })
    }

    /// A transposed convolution of `x` to images of `[k, h, w]`: rows and columns that the windows leave out at the end are
    /// there too.
    ///
    /// # Errors
    /// The window does not take `[h, w]` to the input's pixels.
    pub fn transposed_to(
        x: Nhwc,
        chw: [u32; 3],
        window: Window,
        dilation: [u32; 2],
    ) -> Result<Self> {
        let [k, h, w] = chw;
        let y = Nhwc::new(x.n, h, w, k);
        let conv = Self { dilation, transposed: true, ..Self::of(x, y, window) };
        conv.checked()?;
        Ok(conv)
    }

    /// A convolution with groups and dilation.
    ///
    /// # Errors
    /// The window does not fit, or the groups do not divide the channels.
    pub fn grouped(
        x: Nhwc,
        k: u32,
        window: Window,
        groups: u32,
        dilation: [u32; 2],
    ) -> Result<Self> {
        let conv = Self::forward(x, k, window.spread(dilation)?)?;
        Self { window, groups, dilation, ..conv }.with_whole_groups()
    }

    /// A transposed convolution with groups and dilation.
    ///
    /// # Errors
    /// Nothing is left of the image, or the groups do not divide the channels.
    pub fn grouped_transposed(
        x: Nhwc,
        k: u32,
        window: Window,
        groups: u32,
        dilation: [u32; 2],
    ) -> Result<Self> {
        let conv = Self::transposed(x, k, window.spread(dilation)?)?;
        Self { window, groups, dilation, ..conv }.with_whole_groups()
    }

    fn with_whole_groups(self) -> Result<Self> {
        let Self { x, y, groups, .. } = self;
        if groups > 0 && x.c.is_multiple_of(groups) && y.c.is_multiple_of(groups) {
            return Ok(self);
        }
        Err(Error::Shape(format!("{groups} groups do not divide the channels of {x} and {y}")))
    }

    /// Whether it has groups or dilation, which only the variants `plain` and `sliding` compute.
    #[must_use]
    pub fn is_general(self) -> bool {
        (self.groups, self.dilation) != (1, [1; 2])
    }

    /// Whether every channel is convolved by itself.
    pub(super) fn is_depthwise(self) -> bool {
        self.groups == self.x.c && self.x.c == self.y.c
    }

    /// Whether the variant `sliding` computes it: depthwise, 3x3, stride 1, no sum over copies. A word of a mask is made by
    /// one invocation, which owns eight columns of a row.
    pub(super) fn slides(self, epilogue: Epilogue) -> bool {
        let Window { kernel, stride, .. } = self.window;
        self.is_depthwise()
            && (kernel, stride, self.dilation) == ([3; 2], [1; 2], [1; 2])
            && !self.sum_copies
            && self.has_whole_octets(epilogue)
    }

    /// Whether the rows of the output are whole octets, if a `ReLU` follows: one whose mask is recorded for a gradient
    /// must be computed as one in inference is, to the last bit.
    fn has_whole_octets(self, epilogue: Epilogue) -> bool {
        !(epilogue.relu || epilogue.mask_out) || self.y.w.is_multiple_of(8)
    }

    /// Whether the variant `narrow8` computes it: neighbouring pixels read neighbouring pixels, and at most 64 channels
    /// are summed, one block of other variants' sums, or made.
    pub(super) fn is_narrow(self, epilogue: Epilogue) -> bool {
        !self.is_general()
            && (self.transposed || self.window.stride == [1; 2])
            && self.has_whole_octets(epilogue)
            && self.x.c.max(self.y.c) <= 64
    }

    /// Whether the variants `tile128` to `tile16`, and those with cooperative matrices, compute it: a word has bits for 15
    /// rows and columns of taps, and octets of pixels are counted in 24 bits.
    pub(super) fn fits_tiles(self) -> bool {
        !self.is_general()
            && self.window.kernel.iter().all(|&n| n < 16)
            && self.x.pixels() < 1 << 27
    }

    /// The gather that turns the output's gradient into the input's; it reads the transposed weights.
    /// Copies of a shared input are summed.
    #[must_use]
    pub fn grad_input(self) -> Self {
        Self {
            x: self.y,
            y: self.x,
            transposed: !self.transposed,
            shared_input: false,
            sum_copies: self.shared_input && self.copies > 1,
            ..self
        }
    }

    /// Weights of one copy as the kernel reads them; C is the number of input channels of one group.
    #[must_use]
    pub fn weights(self) -> Rsck {
        let [r, s] = self.window.kernel;
        Rsck::new(r, s, self.x.c / self.groups, self.y.c)
    }

    /// Number of operations. A multiply-add counts as two; taps outside the image count too.
    #[must_use]
    pub fn flops(self) -> u64 {
        let [r, s] = self.window.kernel;
        let small = if self.transposed { self.x } else { self.y };
        let pairs =
            u64::from(self.x.c / self.groups) * u64::from(self.y.c) * u64::from(self.copies);
        2 * u64::from(small.pixels()) * u64::from(r * s) * pairs
    }

    /// Checks that shapes, window and groups agree.
    pub(crate) fn checked(self) -> Result<()> {
        self.x.checked()?;
        self.y.checked()?;
        let (small, large) = if self.transposed { (self.x, self.y) } else { (self.y, self.x) };
        self.with_whole_groups()?;
        if self.is_general() && self.dtype == Dtype::F16 {
            return Err(Error::Shape("groups and dilation are computed in f32 alone".into()));
        }
        let window = self.window.spread(self.dilation)?;
        let fits = window.output(large.h, large.w)? == [small.h, small.w];
        if !fits || self.x.n != self.y.n {
            return Err(Error::Shape(format!(
                "a window of {} does not take {large} to {small}",
                self.window
            )));
        }
        if self.copies == 0 {
            return Err(Error::Shape(format!("no copies of {}", self.y)));
        }
        if u64::from(self.copies) * self.y.bytes().max(self.x.bytes()) > 1 << 34 {
            let what = format!("{} copies of {}", self.copies, self.y);
            return Err(Error::TooManyElements { what });
        }
        Ok(())
    }
}
