//! Convolution and transposed convolution, forward and input gradient: `shaders/conv/conv2d*.wgsl`.

use super::{class::class, variants};
use crate::{
    error::{Error, Result},
    kernels::{
        desc::{Access, KernelDesc, Params},
        plan::{DispatchGrid, Dtype, Plan},
    },
    shape::{Nhwc, Rsck, Window},
};

crate::params! {
    /// Uniform block of `shaders/conv/conv2d*.wgsl`.
    pub struct Conv2dParams {
        /// Images of one copy.
        images: u32,
        /// Input rows.
        x_h: u32,
        /// Input columns.
        x_w: u32,
        /// Input channels.
        c: u32,
        /// Output rows.
        y_h: u32,
        /// Output columns.
        y_w: u32,
        /// Output channels.
        k: u32,
        /// Kernel rows.
        r: u32,
        /// Kernel columns.
        s: u32,
        /// Rows from one window to the next.
        stride_y: u32,
        /// Columns from one window to the next.
        stride_x: u32,
        /// Zeros above the first row.
        pad_y: u32,
        /// Zeros left of the first column.
        pad_x: u32,
        /// Number of sets of weights.
        copies: u32,
        /// 1 if all copies read one input, else `copies`.
        x_copies: u32,
        /// Offset of the first channel's scale in `affine`.
        scale_offset: u32,
        /// Offset of the first channel's shift in `affine`.
        shift_offset: u32,
    }
}

/// The kernel's interface and its variants.
pub static KERNEL: KernelDesc = KernelDesc {
    name: "conv2d",
    params_name: Conv2dParams::NAME,
    params: Conv2dParams::FIELDS,
    bindings: &[
        ("params", Access::Uniform),
        ("x", Access::Read),
        ("w", Access::Read),
        ("affine", Access::Read),
        ("residual", Access::Read),
        ("mask_in", Access::Read),
        ("y", Access::ReadWrite),
        ("mask_out", Access::ReadWrite),
    ],
    variants: &variants::ALL,
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

/// Operations fused with the sum, before and after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fusion {
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
    /// Records a bit per output: whether it is positive.
    pub mask_out: bool,
    /// Takes the input only where a recorded mask is set.
    pub mask_in: bool,
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

    /// Whether it has groups or dilation, which only the variant `plain` computes.
    #[must_use]
    pub fn is_general(self) -> bool {
        (self.groups, self.dilation) != (1, [1; 2])
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

/// Bytes of the ReLU mask of `copies` outputs of shape `y`: four bits per group of four channels,
/// eight pixels to a word.
#[must_use]
pub fn mask_bytes(y: Nhwc, copies: u32) -> u64 {
    u64::from(y.pixels().div_ceil(8)) * u64::from(y.c4()) * 4 * u64::from(copies)
}

/// Plans the gather. Bindings that the fusion does not use are never read or written; bind any buffer
/// of 16 bytes to them.
///
/// # Errors
/// Shapes that do not fit each other, or a recorded mask for a transposed convolution.
pub fn plan(conv: Conv2d, fusion: Fusion) -> Result<Plan> {
    conv.checked()?;
    if fusion.mask_out && conv.transposed {
        return Err(Error::Shape("a transposed convolution records no mask".into()));
    }
    let [r, s] = conv.window.kernel;
    let params = Conv2dParams {
        images: conv.x.n,
        x_h: conv.x.h,
        x_w: conv.x.w,
        c: conv.x.c,
        y_h: conv.y.h,
        y_w: conv.y.w,
        k: conv.y.c,
        r,
        s,
        stride_y: conv.window.stride[0],
        stride_x: conv.window.stride[1],
        pad_y: conv.window.before[0],
        pad_x: conv.window.before[1],
        copies: conv.copies,
        x_copies: if conv.shared_input { 1 } else { conv.copies },
        scale_offset: fusion.scale.unwrap_or(0),
        shift_offset: fusion.shift.unwrap_or(0),
    };
    let y_copies = if conv.sum_copies { 1 } else { conv.copies };
    let y_bytes = conv.y.bytes() * u64::from(y_copies);
    let optional = |wanted: bool, bytes: u64| if wanted { bytes } else { 16 };
    let bytes = vec![
        conv.x.bytes() * u64::from(params.x_copies),
        conv.weights().bytes() * u64::from(conv.copies),
        optional(fusion.affine_len > 0, u64::from(fusion.affine_len) * 4),
        optional(fusion.residual, y_bytes),
        optional(fusion.mask_in, mask_bytes(conv.x, params.x_copies)),
        y_bytes,
        optional(fusion.mask_out, mask_bytes(conv.y, y_copies)),
    ];
    let (plane, classes) = if conv.transposed {
        let [down, right] = conv.window.stride;
        (conv.y.h.div_ceil(down) * conv.y.w.div_ceil(right), down * right)
    } else {
        (conv.y.h * conv.y.w, 1)
    };
    let grid = DispatchGrid::Tiles([conv.y.c4(), conv.y.n * plane, y_copies * classes]);
    let flag = |on: bool| f64::from(u8::from(on));
    let mut plan = Plan::new(&KERNEL, &params, grid, bytes)
        .with("TRANSPOSED", flag(conv.transposed))
        .with("SUM_COPIES", flag(conv.sum_copies))
        .with("SCALE", flag(fusion.scale.is_some()))
        .with("SHIFT", flag(fusion.shift.is_some()))
        .with("RESIDUAL", flag(fusion.residual))
        .with("RELU", flag(fusion.relu))
        .with("MASK_IN", flag(fusion.mask_in))
        .with("MASK_OUT", flag(fusion.mask_out))
        .with("DTYPE", conv.dtype.code())
        .with("GENERAL", flag(conv.is_general()))
        .costing(conv.flops())
        .classed(class(conv, fusion));
    if conv.is_general() {
        let [rows, columns] = conv.dilation;
        let depthwise = conv.groups == conv.x.c && conv.x.c == conv.y.c;
        plan = plan.with("GROUPS", conv.groups).with("DEPTHWISE", flag(depthwise));
        plan = plan.with("DILATION_Y", rows).with("DILATION_X", columns);
    }
    // A subgroup computes 32 output channels: with 8 channels or fewer most of its lanes would idle.
    if conv.y.c4() <= 2 {
        plan = plan.preferring("plain");
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::winograd::Form;

    #[test]
    fn variants_come_in_the_order_that_suits_the_adapter() {
        let names = |software| KERNEL.ordered(software).iter().map(|v| v.name).collect::<Vec<_>>();
        assert_eq!(names(false), ["coop16", "coop8", "tile", "plain", "subgroup8"]);
        assert_eq!(names(true), ["subgroup8", "plain", "coop16", "coop8", "tile"]);
    }

    #[test]
    fn cooperative_matrices_serve_rounded_operands_alone() {
        let conv = Conv2d::forward(Nhwc::new(1, 4, 4, 8), 8, Window::square(3, 1, 1)).unwrap();
        let none = Fusion::default();
        let [f32, f16] =
            [Dtype::F32, Dtype::F16].map(|dtype| plan(Conv2d { dtype, ..conv }, none).unwrap());
        for variant in KERNEL.variants {
            assert!(variant.serves(&f16), "{}", variant.name);
            assert_eq!(variant.serves(&f32), !variant.name.starts_with("coop"));
        }
        let class = |plan: &Plan| plan.class.as_ref().map(|class| class.name.clone()).unwrap();
        assert_ne!(class(&f32), class(&f16), "one is not measured for the other");
    }

    #[test]
    fn groups_and_dilation_are_for_plain_alone() {
        let (x, window) = (Nhwc::new(1, 8, 8, 8), Window::square(3, 1, 2));
        for (groups, dilation) in [(2, [1; 2]), (1, [2; 2]), (8, [2; 2]), (1, [1, 2])] {
            let conv = Conv2d::grouped(x, 16, window, groups, dilation).unwrap();
            let plan = plan(conv, Fusion::default()).unwrap();
            let serves = KERNEL.variants.iter().filter(|v| v.serves(&plan)).map(|v| v.name);
            assert_eq!(serves.collect::<Vec<_>>(), ["plain"]);
            assert!(!Form::F2.fits(conv) && !Form::F4.fits(conv));
            let half = Conv2d { dtype: Dtype::F16, ..conv };
            assert!(super::plan(half, Fusion::default()).is_err());
        }
        assert!(Conv2d::grouped(x, 16, window, 3, [1; 2]).is_err());
        assert!(Conv2d::grouped(x, 16, window, 0, [1; 2]).is_err());
        assert!(Conv2d::grouped(x, 16, window, 1, [0, 1]).is_err());
        assert!(Conv2d::grouped(x, 16, window, 1, [1, 9]).is_err());
    }
}
