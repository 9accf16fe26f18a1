//! Which pixels a convolution connects, and its sums over them.
use super::{Evaluator, places};
use nf_gpu::{
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
}

impl Meeting {
    pub(super) fn of(evaluator: &Evaluator<'_>, node: NodeId, n: usize) -> Self {
        let (layer, window, transposed) = match evaluator.graph.nodes[node].op {
            Op::Conv { layer, window, transposed } => (layer, window, transposed),
            Op::Linear { layer } => {
                // A fully connected layer has a kernel as large as the image.
                let [_, h, w] = evaluator.chw(evaluator.graph.nodes[node].inputs[0]);
                let kernel = [h as u32, w as u32];
                (layer, Window::even(kernel, 1, 0), false)
            }
            _ => unreachable!("{node} has no weights"),
        };
        let (x, y) = (evaluator.chw(evaluator.graph.nodes[node].inputs[0]), evaluator.chw(node));
        let (large, small) = if transposed { (y, x) } else { (x, y) };
        Self { layer, transposed, n, large, small, window }
    }

    /// Calls `f(large, small, tap, len)` for every run of `len` pixels along a row: `small + j` meets
    /// `large + j * stride` through weight `tap`, which lies at `[small channel, large channel, r, s]`
    /// in both of PyTorch's orders.
    fn runs(&self, mut f: impl FnMut(usize, usize, usize, usize)) {
        let ([lc, lh, lw], [sc, sh, sw]) = (self.large, self.small);
        let [rows, columns] = self.window.kernel.map(|extent| extent as usize);
        let (stride, padding) = (self.window.stride as usize, self.window.padding as usize);
        for (n, (s_c, l_c, tap)) in
            (0..self.n).flat_map(|n| places([sc, lc, rows * columns]).map(move |p| (n, p)))
        {
            let (r, s) = (tap / columns, tap % columns);
            // Columns ox with 0 <= ox * stride + s - padding < lw.
            let first = padding.saturating_sub(s).div_ceil(stride);
            let end = (lw + padding).saturating_sub(s).div_ceil(stride).min(sw);
            if first >= end {
                continue;
            }
            for oy in 0..sh {
                let Some(iy) = (oy * stride + r).checked_sub(padding).filter(|&iy| iy < lh) else {
                    continue;
                };
                let large = ((n * lc + l_c) * lh + iy) * lw + first * stride + s - padding;
                let small = ((n * sc + s_c) * sh + oy) * sw + first;
                f(large, small, (s_c * lc + l_c) * rows * columns + tap, end - first);
            }
        }
    }

    pub(super) fn to_small(&self, weights: &[f32], large: &[f64], small: &mut [f64]) {
        let stride = self.window.stride as usize;
        self.runs(|l, s, tap, len| {
            let w = f64::from(weights[tap]);
            let from = large[l..].iter().step_by(stride);
            small[s..s + len].iter_mut().zip(from).for_each(|(sum, v)| *sum += w * v);
        });
    }

    pub(super) fn to_large(&self, weights: &[f32], small: &[f64], large: &mut [f64]) {
        let stride = self.window.stride as usize;
        self.runs(|l, s, tap, len| {
            let w = f64::from(weights[tap]);
            let to = large[l..].iter_mut().step_by(stride);
            to.zip(&small[s..s + len]).for_each(|(sum, v)| *sum += w * v);
        });
    }

    pub(super) fn to_weights(&self, large: &[f64], small: &[f64], weights: &mut [f64]) {
        let stride = self.window.stride as usize;
        self.runs(|l, s, tap, len| {
            let from = large[l..].iter().step_by(stride);
            weights[tap] += from.zip(&small[s..s + len]).map(|(a, b)| a * b).sum::<f64>();
        });
    }
}
