//! Distance of a forward pass from kinks of activations and of max pooling.
use super::{Evaluator, Values, norm, places, window_taps};
use nf_gpu::{
    kernels::elementwise::pointwise::Pointwise,
    nn::{NodeId, Op},
};

/// Inputs at which the slope of an activation jumps.
pub(crate) fn corners(op: &Op) -> Vec<f64> {
    match *op {
        Op::Relu | Op::LeakyRelu(_) => vec![0.0],
        Op::Pointwise(Pointwise::Clip { low, high }) => vec![low.into(), high.into()],
        Op::Pointwise(Pointwise::HardSigmoid { alpha, beta }) => {
            [0.0, 1.0].map(|v| (v - f64::from(beta)) / f64::from(alpha)).to_vec()
        }
        // Its output jumps everywhere; its slope only where values leave the range.
        Op::Pointwise(Pointwise::FakeQuantise { step, least, most }) => {
            let edge = |steps: f32, beyond: f64| (f64::from(steps) + beyond) * f64::from(step);
            vec![edge(least, -0.5), edge(most, 0.5)]
        }
        Op::Pointwise(Pointwise::HardSwish) => vec![-3.0, 3.0],
        _ => Vec::new(),
    }
}

impl Evaluator<'_> {
    /// Distance of the forward pass from the nearest kink: the smallest distance of an
    /// activation's input from a corner and of a pool's maximum from the runner-up, in units of the tensor's root mean square.
    /// If f32 falls on the other side of a kink, gradients differ considerably.
    pub(crate) fn margin(&self, values: &Values) -> f64 {
        let mut margin = f64::INFINITY;
        for (node, of) in self.graph.nodes.iter().enumerate() {
            let Some(&input) = of.inputs.first() else { continue };
            let x = &values.nodes[input];
            let rms = norm(x) / (x.len() as f64).sqrt();
            let gaps = self.pool_gaps(node, x).into_iter().map(|(gap, ..)| gap);
            let corners = corners(&of.op);
            let distances =
                corners.iter().flat_map(|corner| x.iter().map(move |v| (v - corner).abs()));
            margin = gaps.chain(distances).map(|distance| distance / rms).fold(margin, f64::min);
        }
        margin
    }

    /// For every window of a pool over x: the distance of the maximum from the runner-up, and the
    /// places of the two. Windows with maximum 0 are left out: behind a ReLU zeros tie, and the ReLU
    /// lets no gradient through to any of them.
    pub(crate) fn pool_gaps(&self, node: NodeId, x: &[f64]) -> Vec<(f64, usize, usize)> {
        let Op::MaxPool(window) = self.graph.nodes[node].op else { return Vec::new() };
        let [_, h, w] = self.chw(self.graph.nodes[node].inputs[0]);
        let [_, oh, ow] = self.chw(node);
        let mut gaps = Vec::new();
        for plane in (0..x.len()).step_by(h * w) {
            for (_, i, j) in places([1, oh, ow]) {
                let mut of: Vec<usize> = window_taps(window, i as i64, j as i64)
                    .filter(|&(i, j)| (0..h as i64).contains(&i) && (0..w as i64).contains(&j))
                    .map(|(i, j)| plane + i as usize * w + j as usize)
                    .collect();
                of.sort_by(|&a, &b| x[b].total_cmp(&x[a]));
                if let [best, second, ..] = of[..]
                    && x[best] > 0.0
                {
                    gaps.push((x[best] - x[second], best, second));
                }
            }
        }
        gaps
    }
}
