//! Sliding windows as ONNX states them.
use super::{
    call::Call,
    tensor::{Outcome, Tensor},
};
use nf_gpu::{kernels::pool::window::Divisor, shape::Window};

/// A window as ONNX states it, rows first; an image of one axis is one row.
#[derive(Clone, Debug)]
pub(super) struct Sliding {
    pub(super) kernel: [usize; 2],
    pub(super) strides: [usize; 2],
    pub(super) dilations: [usize; 2],
    /// Padding before the first row and column.
    pub(super) begin: [usize; 2],
    /// Padding after the last row and column.
    pub(super) end: [usize; 2],
    /// Rows and columns past `end` that the last window of `ceil_mode` reaches.
    pub(super) past: [usize; 2],
}

/// An attribute of one or two axes as rows and columns.
fn pair(values: &[usize], row: usize) -> [usize; 2] {
    match *values {
        [column] => [row, column],
        [row, column] => [row, column],
        _ => unreachable!("asked before"),
    }
}

/// Rows and columns of images `[N, C, H, W]` or `[N, C, W]`.
pub(super) fn plane(x: &Tensor) -> Outcome<[usize; 2]> {
    match x.dims[..] {
        [_, _, w] => Ok([1, w]),
        [_, _, h, w] => Ok([h, w]),
        _ => Err("3-D".into()),
    }
}

impl Sliding {
    /// The window of a node over `x`; `kernel` is its size if the node does not state it.
    pub(super) fn of(call: &Call<'_>, x: &Tensor, kernel: &[usize]) -> Outcome<Self> {
        let image = plane(x)?;
        let axes = x.dims.len() - 2;
        let list = |name, or: usize| call.ints(name).unwrap_or(vec![or; axes]);
        let kernel = pair(&call.ints("kernel_shape").unwrap_or(kernel.to_vec()), 1);
        let strides = pair(&list("strides", 1), 1);
        let dilations = pair(&list("dilations", 1), 1);
        let pads = call.ints("pads").unwrap_or(vec![0; 2 * axes]);
        let (mut begin, mut end) = (pair(&pads[..axes], 0), pair(&pads[axes..], 0));
        let reach = |i: usize| dilations[i] * (kernel[i] - 1) + 1;
        let auto = call.text("auto_pad", "NOTSET");
        if auto.starts_with("SAME") {
            for i in 0..2 {
                let outputs = image[i].div_ceil(strides[i]);
                let total = ((outputs - 1) * strides[i] + reach(i)).saturating_sub(image[i]);
                let small = total / 2;
                let lower = auto == "SAME_LOWER";
                (begin[i], end[i]) =
                    if lower { (total - small, small) } else { (small, total - small) };
            }
        }
        let mut past = [0; 2];
        if call.int("ceil_mode", 0) == 1 {
            for i in 0..2 {
                let steps = image[i] + begin[i] + end[i] - reach(i);
                let mut last = steps.div_ceil(strides[i]);
                // A window must begin inside the image or before it.
                while last * strides[i] >= image[i] + begin[i] {
                    last -= 1;
                }
                past[i] = (last * strides[i]).saturating_sub(steps);
            }
        }
        Ok(Self { kernel, strides, dilations, begin, end, past })
    }

    /// Outputs of a convolution or pool over an image.
    pub(super) fn outputs(&self, image: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|i| {
            let all = image[i] + self.begin[i] + self.end[i] + self.past[i];
            (all - self.dilations[i] * (self.kernel[i] - 1) - 1) / self.strides[i] + 1
        })
    }

    /// The window, in which the rows and columns that `ceil_mode` reaches are padding too.
    pub(super) fn window(&self) -> Window {
        let u32s = |values: [usize; 2]| values.map(|v| v as u32);
        Window {
            kernel: u32s(self.kernel),
            stride: u32s(self.strides),
            before: u32s(self.begin),
            after: u32s([0, 1].map(|i| self.end[i] + self.past[i])),
        }
    }

    /// Rows and columns from one tap to the next.
    pub(super) fn dilation(&self) -> [u32; 2] {
        self.dilations.map(|d| d as u32)
    }

    /// What a mean divides by: rows past the padding (`ceil_mode`) never count.
    pub(super) fn divisor(&self, with_padding: bool) -> Divisor {
        if with_padding { Divisor::Padded(self.end.map(|n| n as u32)) } else { Divisor::Image }
    }
}
