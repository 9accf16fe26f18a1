//! Sliding windows: ONNX has strides and dilations per axis and four paddings, `Window` has one of
//! each.
use super::{
    call::Call,
    tensor::{Outcome, Tensor},
};
use nf_gpu::shape::Window;

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

    /// Whether it is padded anywhere.
    pub(super) fn padded(&self) -> bool {
        [self.begin, self.end, self.past] != [[0; 2]; 3]
    }

    /// The stride, if it is the same on both axes; with a single output any stride fits.
    pub(super) fn stride(&self, outputs: [usize; 2]) -> Outcome<u32> {
        match (outputs[0], outputs[1]) {
            (1, _) => Ok(self.strides[1] as u32),
            (_, 1) => Ok(self.strides[0] as u32),
            _ if self.strides[0] == self.strides[1] => Ok(self.strides[0] as u32),
            _ => Err("strides that differ between rows and columns".into()),
        }
    }

    /// The dilation, if it is the same on both axes; with a single tap any dilation fits.
    pub(super) fn dilation(&self) -> Outcome<u32> {
        match (self.kernel, self.dilations) {
            ([1, _], [_, columns]) => Ok(columns as u32),
            ([_, 1], [rows, _]) => Ok(rows as u32),
            (_, [rows, columns]) if rows == columns => Ok(rows as u32),
            _ => Err("dilations that differ between rows and columns".into()),
        }
    }

    /// Outputs of a convolution or pool over an image.
    pub(super) fn outputs(&self, image: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|i| {
            let all = image[i] + self.begin[i] + self.end[i] + self.past[i];
            (all - self.dilations[i] * (self.kernel[i] - 1) - 1) / self.strides[i] + 1
        })
    }

    /// The window, and the padding that the host must add around the image, before and after. It is
    /// zero if the kernel can apply the padding itself.
    pub(super) fn window(
        &self,
        image: [usize; 2],
        most: usize,
    ) -> Outcome<(Window, [[usize; 2]; 2])> {
        let kernel = self.kernel.map(|k| k as u32);
        let stride = self.stride(self.outputs(image))?;
        let end = [0, 1].map(|i| self.end[i] + self.past[i]);
        let one = self.begin == end && end[0] == end[1] && end[0] <= most;
        let padding = if one { end[0] as u32 } else { 0 };
        let left = if one { [[0; 2]; 2] } else { [self.begin, end] };
        Ok((Window { kernel, stride, padding }, left))
    }
}

/// Images `[N, H, W, C]`, surrounded by `fill`.
pub(super) fn surrounded(
    values: &[f32],
    [n, h, w, c]: [usize; 4],
    [begin, end]: [[usize; 2]; 2],
    fill: f32,
) -> (Vec<f32>, [usize; 2]) {
    let size = [begin[0] + h + end[0], begin[1] + w + end[1]];
    let mut out = vec![fill; n * size[0] * size[1] * c];
    for (line, pixels) in values.chunks(w * c).enumerate() {
        let at = ((line / h * size[0] + begin[0] + line % h) * size[1] + begin[1]) * c;
        out[at..at + w * c].copy_from_slice(pixels);
    }
    (out, size)
}
