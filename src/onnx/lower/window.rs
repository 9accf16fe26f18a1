//! Windows of convolutions and pools: strides, dilations and paddings, as numbers or as rules.

use super::{
    super::{
        model::NodeProto,
        reasons::{Reason, SIZES, Taken},
    },
    tensor::small,
};
use crate::{kernels::pool::window::Divisor, shape::Window};

/// Which padding follows from which size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Given,
    Valid,
    SameUpper,
    SameLower,
}

/// Rows and columns of a window over an image. A sequence has one row.
#[derive(Clone, Debug)]
pub(super) struct Sliding {
    /// Kernel, rows and columns.
    pub(super) kernel: [usize; 2],
    /// Step between windows.
    pub(super) stride: [usize; 2],
    /// Step between the elements of a window.
    pub(super) dilation: [usize; 2],
    before: [usize; 2],
    after: [usize; 2],
    rule: Rule,
    ceil: bool,
}

/// Largest size and step of a window: none is larger than an image.
const LARGEST: i64 = 1 << 20;

/// Two numbers of an attribute, or one for a sequence.
pub(super) fn pair(
    node: &NodeProto,
    name: &str,
    default: usize,
    sequence: bool,
) -> Taken<[usize; 2]> {
    let Some(list) = node.ints(name).filter(|list| !list.is_empty()) else {
        return Ok([default; 2]);
    };
    let size = |n: i64| usize::try_from(n).ok().filter(|_| n <= LARGEST);
    let found = match (list, sequence) {
        (&[w], true) => size(w).map(|w| [default, w]),
        (&[h, w], false) => size(h).zip(size(w)).map(|(h, w)| [h, w]),
        _ => None,
    };
    found.ok_or_else(|| {
        let what = format!("its {name} {:?} are not those of an image", &list[..list.len().min(8)]);
        Reason::new(what, "images with rows and columns can be run, and sequences")
    })
}

/// Two sizes in 32 bits.
fn sizes(list: [usize; 2]) -> Taken<[u32; 2]> {
    Ok([small(list[0])?, small(list[1])?])
}

impl Sliding {
    /// The window of a node with this kernel over an image, or over a sequence.
    pub(super) fn of(node: &NodeProto, kernel: [usize; 2], sequence: bool) -> Taken<Self> {
        let mut stride = pair(node, "strides", 1, sequence)?;
        let mut dilation = pair(node, "dilations", 1, sequence)?;
        if sequence {
            (stride[0], dilation[0]) = (1, 1);
        }
        let rule = match node.text("auto_pad") {
            None | Some("NOTSET" | "") => Rule::Given,
            Some("VALID") => Rule::Valid,
            Some("SAME_UPPER") => Rule::SameUpper,
            Some("SAME_LOWER") => Rule::SameLower,
            Some(other) => return Err(Reason::damaged(format!("its auto_pad is {other}"))),
        };
        let pads = node.ints("pads").filter(|pads| !pads.is_empty() && rule == Rule::Given);
        let pad = |n: i64| usize::try_from(n).ok().filter(|_| n <= LARGEST);
        let four = match (pads, sequence) {
            (None, _) => Some([0; 4]),
            (Some(&[left, right]), true) => pad(left).zip(pad(right)).map(|(l, r)| [0, l, 0, r]),
            (Some(&[t, l, b, r]), false) => {
                let all = [pad(t), pad(l), pad(b), pad(r)];
                all.into_iter().collect::<Option<Vec<_>>>().and_then(|all| all.try_into().ok())
            }
            _ => None,
        };
        let Some([top, left, bottom, right]) = four else {
            let what =
                format!("its pads {:?} are no paddings of an image", pads.unwrap_or_default());
            return Err(Reason::new(
                what,
                "pads are not negative; crop in front of the layer instead",
            ));
        };
        if kernel.contains(&0) || stride.contains(&0) || dilation.contains(&0) {
            return Err(Reason::damaged("its kernel, strides or dilations have a 0"));
        }
        let ceil = node.int("ceil_mode") == Some(1);
        Ok(Self {
            kernel,
            stride,
            dilation,
            before: [top, left],
            after: [bottom, right],
            rule,
            ceil,
        })
    }

    /// Rows and columns that a window covers, its gaps included.
    fn covered(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1).saturating_mul(self.dilation[axis]) + 1
    }

    /// The window over an image of this size with its zeros. `frame` are zeros around the image, above, left, below
    /// and right, which the size includes.
    pub(super) fn over(&self, image: [usize; 2], frame: [usize; 4]) -> Taken<Window> {
        let (mut before, mut after) = (self.before, self.after);
        for axis in [0, 1] {
            let (extent, covered, stride) = (image[axis], self.covered(axis), self.stride[axis]);
            if matches!(self.rule, Rule::SameUpper | Rule::SameLower) {
                let count = extent.div_ceil(stride);
                let reach = (count.saturating_sub(1) * stride).saturating_add(covered);
                [before[axis], after[axis]] = self.shared(reach.saturating_sub(extent));
            }
            let whole = extent + before[axis] + after[axis];
            if extent == 0 || whole < covered {
                let what = format!("its window of {covered} does not fit into {whole}");
                return Err(Reason::new(what, SIZES));
            }
            if self.ceil {
                let mut count = (whole - covered).div_ceil(stride) + 1;
                // A last window that begins behind the image is left out, as in PyTorch.
                if (count - 1) * stride >= extent + before[axis] {
                    count -= 1;
                }
                after[axis] =
                    ((count - 1) * stride + covered).saturating_sub(extent + before[axis]);
            }
        }
        let [top, left, bottom, right] = frame;
        Ok(Window {
            kernel: sizes(self.kernel)?,
            stride: sizes(self.stride)?,
            before: sizes([before[0] + top, before[1] + left])?,
            after: sizes([after[0] + bottom, after[1] + right])?,
        })
    }

    /// What a mean over [`Sliding::over`]'s windows divides by: with zeros that count, those of the declared padding.
    pub(super) fn divisor(&self, window: Window, zeros_count: bool) -> Taken<Divisor> {
        let declared = [small(self.after[0])?, small(self.after[1])?];
        Ok(match zeros_count {
            false => Divisor::Image,
            true if self.ceil && self.rule == Rule::Given && declared != window.after => {
                Divisor::Padded(declared)
            }
            true => Divisor::Window,
        })
    }

    /// Padding of a transposed convolution, and the size of its output.
    pub(super) fn transposed(
        &self,
        image: [usize; 2],
        extra: [usize; 2],
        wanted: Option<[usize; 2]>,
    ) -> Taken<(Window, [u32; 2])> {
        let (mut before, mut after, mut output) = (self.before, self.after, [0; 2]);
        for axis in [0, 1] {
            let (stride, covered) = (self.stride[axis], self.covered(axis));
            let reach =
                (image[axis].saturating_sub(1) * stride).saturating_add(covered + extra[axis]);
            let same = matches!(self.rule, Rule::SameUpper | Rule::SameLower);
            let wanted =
                wanted.map(|size| size[axis]).or_else(|| same.then_some(image[axis] * stride));
            if let Some(size) = wanted {
                [before[axis], after[axis]] = self.shared(reach.saturating_sub(size));
            }
            let left = reach.checked_sub(before[axis] + after[axis]).filter(|&size| size > 0);
            output[axis] = left.ok_or_else(|| Reason::new("its paddings leave nothing", SIZES))?;
        }
        let (kernel, stride) = (sizes(self.kernel)?, sizes(self.stride)?);
        Ok((
            Window { kernel, stride, before: sizes(before)?, after: sizes(after)? },
            sizes(output)?,
        ))
    }

    /// Zeros before and after, where only their sum is known: an odd one goes behind, except for `SAME_LOWER` and
    /// transposed convolutions without a rule.
    fn shared(&self, total: usize) -> [usize; 2] {
        let less = total / 2;
        if self.rule == Rule::SameUpper { [less, total - less] } else { [total - less, less] }
    }
}
