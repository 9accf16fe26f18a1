//! Convolution and transposed convolution, forward and input gradient: `shaders/conv/conv2d*.wgsl`.

use super::{
    class::class,
    gather::{Conv2d, Epilogue},
    variants,
};
use crate::{
    error::{Error, Result},
    kernels::{
        desc::{Access, KernelDesc, Params},
        plan::{DispatchGrid, Dtype, Plan},
        tiles,
    },
    shape::Nhwc,
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

/// Bytes of the ReLU mask of `copies` outputs of shape `y`: four bits per group of four channels,
/// eight pixels to a word.
#[must_use]
pub fn mask_bytes(y: Nhwc, copies: u32) -> u64 {
    u64::from(y.pixels().div_ceil(8)) * u64::from(y.c4()) * 4 * u64::from(copies)
}

/// Plans the gather. Bindings that the epilogue does not use are never read or written; bind any buffer
/// of 16 bytes to them.
///
/// # Errors
/// Shapes that do not fit each other, or a recorded mask for a transposed convolution.
pub fn plan(conv: Conv2d, epilogue: Epilogue) -> Result<Plan> {
    conv.checked()?;
    if epilogue.mask_out && conv.transposed {
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
        scale_offset: epilogue.scale.unwrap_or(0),
        shift_offset: epilogue.shift.unwrap_or(0),
    };
    let y_copies = if conv.sum_copies { 1 } else { conv.copies };
    let y_bytes = conv.y.bytes() * u64::from(y_copies);
    let optional = |wanted: bool, bytes: u64| if wanted { bytes } else { 16 };
    let bytes = vec![
        conv.x.bytes() * u64::from(params.x_copies),
        conv.weights().bytes() * u64::from(conv.copies),
        optional(epilogue.affine_len > 0, u64::from(epilogue.affine_len) * 4),
        optional(epilogue.residual, y_bytes),
        optional(epilogue.mask_in, mask_bytes(conv.x, params.x_copies)),
        y_bytes,
        optional(epilogue.mask_out, mask_bytes(conv.y, y_copies)),
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
        .with("SCALE", flag(epilogue.scale.is_some()))
        .with("SHIFT", flag(epilogue.shift.is_some()))
        .with("RESIDUAL", flag(epilogue.residual))
        .with("MASK_IN", flag(epilogue.mask_in))
        .with("MASK_OUT", flag(epilogue.mask_out))
        .with("DTYPE", conv.dtype.code())
        .with("GENERAL", flag(conv.is_general()))
        .with("TILES", flag(conv.fits_tiles()))
        .with("MATRICES", flag(conv.fits_tiles() && conv.dtype == Dtype::F16))
        .with("WHOLE", flag(conv.x.c.is_multiple_of(16)))
        .costing(conv.flops())
        .classed(class(conv, epilogue));
    plan.constants.extend(epilogue.rectifier()?);
    if conv.is_general() {
        let [rows, columns] = conv.dilation;
        plan = plan.with("GROUPS", conv.groups).with("DEPTHWISE", flag(conv.is_depthwise()));
        plan = plan.with("DILATION_Y", rows).with("DILATION_X", columns);
        plan = plan.with("SLIDING", flag(conv.slides(epilogue)));
    } else {
        let three = (s, conv.window.stride[1]) == (3, 1);
        plan = plan.with("NARROW", flag(conv.is_narrow(epilogue)));
        plan = plan.with("PAIR", flag(conv.y.c4() > 1)).with("THREE", flag(three));
        // A subgroup of `subgroup8` computes 32 output channels: with few channels most of its lanes would idle.
        plan = match conv.y.c4() {
            0..=2 => plan.preferring(&["narrow8", "plain"]),
            3..=4 => plan.preferring(&["narrow8", "tile16"]),
            _ if conv.fits_tiles() => {
                let repeats = y_copies * classes;
                let pixels = conv.y.n * plane;
                plan.preferring(tiles::fastest(&variants::TILES, conv.y.c, pixels, repeats))
            }
            _ => plan,
        };
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kernels::winograd::Form, shape::Window};

    #[test]
    fn variants_come_in_the_order_that_suits_the_adapter() {
        let names = |software| KERNEL.ordered(software).iter().map(|v| v.name).collect::<Vec<_>>();
        let tiles = ["tile64", "tile128", "tile32", "tile16", "tile"];
        let coop = ["coop16_wide", "coop16", "coop8"];
        let gpu = [&coop[..], &tiles, &["sliding", "plain", "subgroup8", "narrow8"]].concat();
        let cpu = [&["subgroup8", "narrow8", "sliding", "plain"][..], &coop, &tiles].concat();
        assert_eq!((names(false), names(true)), (gpu, cpu));
    }

    #[test]
    fn cooperative_matrices_serve_rounded_operands_alone() {
        let conv = Conv2d::forward(Nhwc::new(1, 4, 4, 8), 8, Window::square(3, 1, 1)).unwrap();
        let none = Epilogue::default();
        let [f32, f16] =
            [Dtype::F32, Dtype::F16].map(|dtype| plan(Conv2d { dtype, ..conv }, none).unwrap());
        for variant in KERNEL.variants {
            let dense = variant.name != "sliding";
            assert_eq!(variant.serves(&f16), dense, "{}", variant.name);
            assert_eq!(variant.serves(&f32), dense && !variant.name.starts_with("coop"));
        }
        let class = |plan: &Plan| plan.class.as_ref().map(|class| class.name.clone()).unwrap();
        assert_ne!(class(&f32), class(&f16), "one is not measured for the other");
    }

    #[test]
    fn few_output_channels_prefer_the_variants_made_for_them() {
        let of = |k, stride| {
            let conv =
                Conv2d::forward(Nhwc::new(1, 8, 8, 8), k, Window::square(3, stride, 1)).unwrap();
            plan(conv, Epilogue::default()).unwrap()
        };
        assert_eq!(of(8, 1).preferred, ["narrow8", "plain"]);
        assert_eq!(of(16, 1).preferred, ["narrow8", "tile16"]);
        // So few pixels fill more of a GPU in narrow tiles.
        assert_eq!(of(17, 1).preferred.last(), Some(&"tile16"));
        let narrow = KERNEL.variants.iter().find(|v| v.name == "narrow8").unwrap();
        assert!(narrow.serves(&of(8, 1)) && !narrow.serves(&of(8, 2)));
    }

    #[test]
    fn tiles_serve_what_their_digits_and_bits_can_count() {
        let serving = |n, side, kernel| {
            let conv =
                Conv2d::forward(Nhwc::new(n, side, side, 4), 4, Window::square(kernel, 1, 0));
            let plan = plan(conv.unwrap(), Epilogue::default()).unwrap();
            KERNEL.variants.iter().find(|v| v.serves(&plan)).unwrap().name
        };
        assert_eq!([serving(1, 20, 15), serving(1, 20, 16)], ["tile64", "tile"]);
        assert_eq!([serving(127, 1024, 3), serving(128, 1024, 3)], ["tile64", "tile"]);
    }

    #[test]
    fn groups_and_dilation_are_for_plain_alone() {
        let (x, window) = (Nhwc::new(1, 8, 8, 8), Window::square(3, 1, 2));
        for (groups, dilation) in [(2, [1; 2]), (1, [2; 2]), (8, [2; 2]), (1, [1, 2])] {
            let conv = Conv2d::grouped(x, 16, window, groups, dilation).unwrap();
            let plan = plan(conv, Epilogue::default()).unwrap();
            let serves = KERNEL.variants.iter().filter(|v| v.serves(&plan)).map(|v| v.name);
            assert_eq!(serves.collect::<Vec<_>>(), ["plain"]);
            assert!(!Form::F2.fits(conv) && !Form::F4.fits(conv));
            let half = Conv2d { dtype: Dtype::F16, ..conv };
            assert!(super::plan(half, Epilogue::default()).is_err());
        }
        let serving = |conv: Conv2d, epilogue| {
            let plan = plan(conv, epilogue).unwrap();
            KERNEL.variants.iter().find(|v| v.serves(&plan)).unwrap().name
        };
        let depthwise =
            |x, stride| Conv2d::grouped(x, 8, Window::square(3, stride, 1), 8, [1; 2]).unwrap();
        let masked = Epilogue { relu: true, mask_out: true, ..Epilogue::default() };
        let (whole, broken) = (depthwise(x, 1), depthwise(Nhwc::new(1, 8, 12, 8), 1));
        assert_eq!(serving(whole, masked), "sliding");
        assert_eq!(serving(whole.grad_input(), Epilogue::default()), "sliding");
        assert_eq!(serving(broken, Epilogue::default()), "sliding");
        assert_eq!(serving(broken, masked), "plain", "words of its mask lie in two rows");
        let inference = Epilogue { mask_out: false, ..masked };
        assert_eq!(serving(broken, inference), "plain", "bits are those of a frozen pass");
        assert_eq!(serving(depthwise(x, 2), Epilogue::default()), "plain");
        let shared = Conv2d { copies: 2, shared_input: true, ..whole };
        assert_eq!(serving(shared.grad_input(), Epilogue::default()), "plain", "a sum over copies");
        assert!(Conv2d::grouped(x, 16, window, 3, [1; 2]).is_err());
        assert!(Conv2d::grouped(x, 16, window, 0, [1; 2]).is_err());
        assert!(Conv2d::grouped(x, 16, window, 1, [0, 1]).is_err());
        assert!(Conv2d::grouped(x, 16, window, 1, [1, 9]).is_err());
    }
}
