//! Convolution and transposed convolution, forward and input gradient: `shaders/conv2d*.wgsl`.

use crate::{
    error::{Error, Result},
    kernel::{
        Access, Class, Grid, KernelDesc, Less, Params, Plan, Requires, Suits, Variant, WORKGROUPS,
        bucket,
    },
    ops::operands::Operands,
    shape::{Nhwc, Rsck, Window},
};
use std::sync::Arc;

crate::params! {
    /// Uniform block of `shaders/conv2d*.wgsl`.
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
        /// Stride.
        stride: u32,
        /// Zero padding.
        padding: u32,
        /// Sets of weights.
        copies: u32,
        /// 1 if all copies read one input, else `copies`.
        x_copies: u32,
        /// Of the first channel's scale in `affine`.
        scale_offset: u32,
        /// Of the first channel's shift in `affine`.
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
    variants: &[
        Variant {
            name: "coop16",
            stem: "conv2d_coop16",
            wgsl: crate::wgsl!(
                "lib/cooperative",
                "lib/grid",
                "lib/lanes",
                "lib/operand",
                "lib/cooperative_tile",
                "lib/conv2d",
                "lib/epilogue",
                "lib/conv2d_tile",
                "lib/conv2d_coop",
                "conv2d_coop16"
            ),
            workgroups: &[256],
            tile: |_| [16, 128, 1],
            requires: Requires::CooperativeMatrix(16),
            suits: Suits::Hardware,
            only: Some(("HALF", 1)),
            trusted: true,
        },
        Variant {
            name: "coop8",
            stem: "conv2d_coop8",
            wgsl: crate::wgsl!(
                "lib/cooperative",
                "lib/grid",
                "lib/lanes",
                "lib/operand",
                "lib/cooperative_tile",
                "lib/conv2d",
                "lib/epilogue",
                "lib/conv2d_tile",
                "lib/conv2d_coop",
                "conv2d_coop8"
            ),
            workgroups: &[128],
            tile: |_| [16, 64, 1],
            requires: Requires::CooperativeMatrix(8),
            suits: Suits::Hardware,
            only: Some(("HALF", 1)),
            trusted: true,
        },
        Variant {
            name: "tile",
            stem: "conv2d_tile",
            wgsl: crate::wgsl!(
                "lib/grid",
                "lib/lanes",
                "lib/operand",
                "lib/conv2d",
                "lib/epilogue",
                "lib/conv2d_tile",
                "conv2d_tile"
            ),
            workgroups: &[256, 128],
            tile: |workgroup| [16, workgroup / 2, 1],
            requires: Requires::Nothing,
            suits: Suits::Hardware,
            only: None,
            trusted: true,
        },
        Variant {
            name: "subgroup8",
            stem: "conv2d_subgroup8",
            wgsl: crate::wgsl!(
                "lib/grid",
                "lib/lanes",
                "lib/operand",
                "lib/conv2d",
                "lib/epilogue",
                "conv2d_subgroup8"
            ),
            workgroups: &[8],
            tile: |_| [8, 32, 1],
            requires: Requires::Subgroup(8),
            suits: Suits::Software,
            only: None,
            trusted: true,
        },
        Variant {
            name: "plain",
            stem: "conv2d",
            wgsl: crate::wgsl!(
                "lib/grid",
                "lib/lanes",
                "lib/operand",
                "lib/conv2d",
                "lib/epilogue",
                "conv2d"
            ),
            workgroups: WORKGROUPS,
            tile: |workgroup| [1, 8 * workgroup, 1],
            requires: Requires::Nothing,
            suits: Suits::Any,
            only: None,
            trusted: true,
        },
    ],
};

/// One use of the gather: which pixels meet which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Input of one copy.
    pub x: Nhwc,
    /// Output of one copy.
    pub y: Nhwc,
    /// Kernel size, stride, padding.
    pub window: Window,
    /// A transposed convolution, or the input gradient of a convolution.
    pub transposed: bool,
    /// Sets of weights.
    pub copies: u32,
    /// All copies read one input.
    pub shared_input: bool,
    /// One output: the sum over the copies.
    pub sum_copies: bool,
    /// Precision of inputs and weights.
    pub operands: Operands,
}

/// What happens before and after the sum.
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
    /// Rectifies.
    pub relu: bool,
    /// Records which outputs are positive, a bit each.
    pub mask_out: bool,
    /// Takes the input only where a recorded mask is set.
    pub mask_in: bool,
}

impl Conv2d {
    /// A convolution of `x` with `k` output channels.
    ///
    /// # Errors
    /// The window does not fit.
    pub fn forward(x: Nhwc, k: u32, window: Window) -> Result<Self> {
        let [h, w] = window.output(x.h, x.w)?;
        let y = Nhwc::new(x.n, h, w, k);
        Ok(Self {
            x,
            y,
            window,
            transposed: false,
            copies: 1,
            shared_input: false,
            sum_copies: false,
            operands: Operands::F32,
        })
    }

    /// A transposed convolution of `x` with `k` output channels.
    ///
    /// # Errors
    /// Nothing is left of the image.
    pub fn transposed(x: Nhwc, k: u32, window: Window) -> Result<Self> {
        let [h, w] = window.transposed_output(x.h, x.w)?;
        let y = Nhwc::new(x.n, h, w, k);
        Ok(Self {
            x,
            y,
            window,
            transposed: true,
            copies: 1,
            shared_input: false,
            sum_copies: false,
            operands: Operands::F32,
        })
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

    /// Weights of one copy as this gather reads them.
    #[must_use]
    pub fn weights(self) -> Rsck {
        let [r, s] = self.window.kernel;
        Rsck::new(r, s, self.x.c, self.y.c)
    }

    /// Multiply-adds count as two operations; taps outside the image count too.
    #[must_use]
    pub fn flops(self) -> u64 {
        let [r, s] = self.window.kernel;
        let small = if self.transposed { self.x } else { self.y };
        let pairs = u64::from(self.x.c) * u64::from(self.y.c) * u64::from(self.copies);
        2 * u64::from(small.pixels()) * u64::from(r * s) * pairs
    }

    fn checked(self) -> Result<()> {
        self.x.checked()?;
        self.y.checked()?;
        let (small, large) = if self.transposed { (self.x, self.y) } else { (self.y, self.x) };
        let fits = self.window.output(large.h, large.w)? == [small.h, small.w];
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

/// Window and shapes of a gather, its images and copies as size classes.
pub(super) fn class_name(conv: Conv2d) -> String {
    let Window { kernel: [r, s], stride, padding } = conv.window;
    let kind = if conv.transposed { "transposed " } else { "" };
    // The one row of a product of matrices is as long as the batch is large.
    let product = conv.x.h == 1 && conv.y.h == 1;
    let columns = |w: u32| if product { bucket(w) } else { w };
    let image = |s: Nhwc| format!("{}x{}x{}", s.h, columns(s.w), s.c);
    let mut name = format!(
        "{kind}{r}x{s}s{stride}p{padding} {}>{} n{}",
        image(conv.x),
        image(conv.y),
        bucket(conv.x.n)
    );
    if conv.copies > 1 {
        name += &format!(" copies{}", bucket(conv.copies));
    }
    name
}

impl Conv2d {
    /// Half of the images, or of the copies of one image.
    pub(super) fn half(self) -> Option<Self> {
        let Self { x, y, copies, .. } = self;
        match (x.n, copies) {
            (2.., _) => {
                let n = x.n.div_ceil(2);
                Some(Self { x: Nhwc { n, ..x }, y: Nhwc { n, ..y }, ..self })
            }
            (_, 2..) => Some(Self { copies: copies.div_ceil(2), ..self }),
            _ => None,
        }
    }
}

/// A gather with its fusion, to be planned smaller.
#[derive(Debug)]
struct Fused(Conv2d, Fusion);

impl Less for Fused {
    fn half(&self) -> Option<Result<Plan>> {
        self.0.half().map(|conv| plan(conv, self.1))
    }
}

/// The class of a gather with its fusion.
fn class(conv: Conv2d, fusion: Fusion) -> Class {
    let mut name = class_name(conv);
    for (on, word) in [
        (conv.shared_input, "shared"),
        (conv.sum_copies, "sum"),
        (fusion.scale.is_some(), "scale"),
        (fusion.shift.is_some(), "shift"),
        (fusion.residual, "residual"),
        (fusion.relu, "relu"),
        (fusion.mask_out, "mask_out"),
        (fusion.mask_in, "mask_in"),
    ] {
        if on {
            name.push(' ');
            name += word;
        }
    }
    Class {
        name,
        words: &["mask_in", "mask_out"],
        eps: f32::EPSILON.into(),
        less: Arc::new(Fused(conv, fusion)),
    }
}

/// Bytes of the ReLU mask of `copies` outputs of shape `y`: four bits per group of four channels,
/// eight pixels to a word.
#[must_use]
pub fn mask_bytes(y: Nhwc, copies: u32) -> u64 {
    u64::from(y.pixels().div_ceil(8)) * u64::from(y.c4()) * 4 * u64::from(copies)
}

/// Plans the gather. Bindings that the fusion leaves out are never read or written; any buffer of 16
/// bytes does for them.
///
/// # Errors
/// Shapes that do not fit, or a mask asked of a transposed output.
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
        stride: conv.window.stride,
        padding: conv.window.padding,
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
        let step = conv.window.stride;
        (conv.y.h.div_ceil(step) * conv.y.w.div_ceil(step), step * step)
    } else {
        (conv.y.h * conv.y.w, 1)
    };
    let grid = Grid::Tiles([conv.y.c4(), conv.y.n * plane, y_copies * classes]);
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
        .with("HALF", conv.operands.code())
        .costing(conv.flops())
        .classed(class(conv, fusion));
    // A subgroup holds 32 output channels: with a few channels most of its lanes would idle.
    if conv.y.c4() <= 2 {
        plan = plan.preferring("plain");
    }
    Ok(plan)
}
