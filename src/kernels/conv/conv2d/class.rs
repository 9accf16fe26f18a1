//! Classes of convolutions: one measurement decides for all plans of a class.

use crate::{
    error::Result,
    kernels::{
        conv::conv2d::{Conv2d, Epilogue, plan},
        plan::{Class, Dtype, Less, Plan, bucket},
    },
    shape::{Nhwc, Window},
};
use std::sync::Arc;

/// Names window and shapes of a convolution; the numbers of images and copies are rounded to size
/// classes.
pub(crate) fn class_name(conv: Conv2d) -> String {
    let Window { kernel: [r, s], stride, before, .. } = conv.window;
    // One number where both axes have the same; the sides behind show in the extents.
    let each = |[y, x]: [u32; 2]| if x == y { y.to_string() } else { format!("{y},{x}") };
    let kind = if conv.transposed { "transposed " } else { "" };
    // A matrix product has one row of pixels, as many as the batch has images: a size class too.
    let product = conv.x.h == 1 && conv.y.h == 1;
    let columns = |w: u32| if product { bucket(w) } else { w };
    let image = |s: Nhwc| format!("{}x{}x{}", s.h, columns(s.w), s.c);
    let mut name = format!(
        "{kind}{r}x{s}s{}p{} {}>{} n{}",
        each(stride),
        each(before),
        image(conv.x),
        image(conv.y),
        bucket(conv.x.n)
    );
    if conv.copies > 1 {
        name += &format!(" copies{}", bucket(conv.copies));
    }
    if conv.is_general() {
        name += &format!(" groups{} dilation{}", conv.groups, each(conv.dilation));
    }
    if conv.dtype == Dtype::F16 {
        name += " f16";
    }
    name
}

impl Conv2d {
    /// Bytes of x, w and y of all copies.
    pub(crate) fn operand_bytes(self) -> u64 {
        let one = self.x.bytes() + self.weights().bytes() + self.y.bytes();
        one * u64::from(self.copies)
    }

    /// The same convolution on half of the images, or on half of the copies if there is one image.
    pub(crate) fn half(self) -> Option<Self> {
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

/// A convolution with its epilogue, from which smaller plans are made.
#[derive(Debug)]
struct WithEpilogue(Conv2d, Epilogue);

impl Less for WithEpilogue {
    fn half(&self) -> Option<Result<Plan>> {
        self.0.half().map(|conv| plan(conv, self.1))
    }
}

/// The class of a convolution with its epilogue.
pub(super) fn class(conv: Conv2d, epilogue: Epilogue) -> Class {
    let mut name = class_name(conv);
    let relu =
        epilogue.ceiling.map_or_else(|| "relu".to_owned(), |ceiling| format!("relu{ceiling}"));
    for (on, word) in [
        (conv.shared_input, "shared"),
        (conv.sum_copies, "sum"),
        (epilogue.scale.is_some(), "scale"),
        (epilogue.shift.is_some(), "shift"),
        (epilogue.residual, "residual"),
        (epilogue.relu, relu.as_str()),
        (epilogue.mask_out, "mask_out"),
        (epilogue.mask_in, "mask_in"),
    ] {
        if on {
            name.push(' ');
            name += word;
        }
    }
    Class {
        name,
        words: &["mask_in", "mask_out"],
        eps: conv.dtype.eps(),
        less: Arc::new(WithEpilogue(conv, epilogue)),
    }
}
