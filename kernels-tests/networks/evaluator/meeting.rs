//! Which pixels a convolution connects, and its sums over them.
use super::{Evaluator, places};
use nf_gpu::{
    kernels::quantise::fault_dequantize::Order,
    nn::{NodeId, Op},
    shape::Window,
};

/// The pixels that a convolution's windows connect, channel by channel. The window slides over the
/// large image, with one position per pixel of the small image. These are input and output, or output
/// and input if transposed.
pub(super) struct Meeting {
    pub(super) layer: usize,
    pub(super) transposed: bool,
    n: usize,
    large: [usize; 3],
    small: [usize; 3],
    window: Window,
    dilation: [usize; 2],
    groups: usize,
    /// A fully connected layer whose weights are stored as `[C, K]`.
    by_inputs: bool,
}

impl Meeting {
    pub(super) fn of(evaluator: &Evaluator<'_>, node: NodeId, n: usize) -> Self {
        let (layer, window, transposed, dilation) = match evaluator.graph.nodes[node].op {
            Op::Conv { layer, window, transposed, dilation } => {
                (layer, window, transposed, dilation)
            }
            Op::Linear { layer } => {
                // A fully connected layer has a kernel as large as the image.
                let [_, h, w] = evaluator.chw(evaluator.graph.nodes[node].inputs[0]);
                let kernel = [h as u32, w as u32];
                (layer, Window::even(kernel, 1, 0), false, [1; 2])
            }
            _ => unreachable!("{node} has no weights"),
        };
        let (x, y) = (evaluator.chw(evaluator.graph.nodes[node].inputs[0]), evaluator.chw(node));
        let (large, small) = if transposed { (y, x) } else { (x, y) };
        let of = evaluator.graph.layers[layer];
        let (groups, by_inputs) = (of.groups as usize, !transposed && of.order == Order::InOut);
        let dilation = dilation.map(|d| d as usize);
        Self { layer, transposed, n, large, small, window, dilation, groups, by_inputs }
    }

    /// Calls `f(large, small, tap, len)` for every run of `len` pixels along a row: `small + j` meets
    /// `large + j * stride` through weight `tap`, which lies at `[small channel, large channel, r, s]`
    /// in both of PyTorch's orders.
    fn runs(&self, mut f: impl FnMut(usize, usize, usize, usize)) {
        let ([lc, lh, lw], [sc, sh, sw]) = (self.large, self.small);
        let [rows, columns] = self.window.kernel.map(|extent| extent as usize);
        let [down, right] = self.window.stride.map(|n| n as usize);
        let [above, left] = self.window.before.map(|n| n as usize);
        // Channels of one group.
        let (l_each, s_each) = (lc / self.groups, sc / self.groups);
        for (n, (s_c, in_group, tap)) in
            (0..self.n).flat_map(|n| places([sc, l_each, rows * columns]).map(move |p| (n, p)))
        {
            let l_c = s_c / s_each * l_each + in_group;
            let (r, s) = (tap / columns * self.dilation[0], tap % columns * self.dilation[1]);
            // Columns ox with 0 <= ox * stride + s - padding < lw.
            let first = left.saturating_sub(s).div_ceil(right);
            let end = (lw + left).saturating_sub(s).div_ceil(right).min(sw);
            if first >= end {
                continue;
            }
            for oy in 0..sh {
                let Some(iy) = (oy * down + r).checked_sub(above).filter(|&iy| iy < lh) else {
                    continue;
                };
                let large = ((n * lc + l_c) * lh + iy) * lw + first * right + s - left;
                let small = ((n * sc + s_c) * sh + oy) * sw + first;
                let row = if self.by_inputs { l_c * sc + s_c } else { s_c * l_each + in_group };
                f(large, small, row * rows * columns + tap, end - first);
            }
        }
    }

    pub(super) fn to_small(&self, weights: &[f32], large: &[f64], small: &mut [f64]) {
        let stride = self.window.stride[1] as usize;
        self.runs(|l, s, tap, len| {
            let w = f64::from(weights[tap]);
            let from = large[l..].iter().step_by(stride);
            small[s..s + len].iter_mut().zip(from).for_each(|(sum, v)| *sum += w * v);
        });
    }

    pub(super) fn to_large(&self, weights: &[f32], small: &[f64], large: &mut [f64]) {
        let stride = self.window.stride[1] as usize;
        self.runs(|l, s, tap, len| {
            let w = f64::from(weights[tap]);
            let to = large[l..].iter_mut().step_by(stride);
            to.zip(&small[s..s + len]).for_each(|(sum, v)| *sum += w * v);
        });
    }

    pub(super) fn to_weights(&self, large: &[f64], small: &[f64], weights: &mut [f64]) {
        let stride = self.window.stride[1] as usize;
        self.runs(|l, s, tap, len| {
            let from = large[l..].iter().step_by(stride);
            weights[tap] += from.zip(&small[s..s + len]).map(|(a, b)| a * b).sum::<f64>();
        });
    }
}
