//! How far a forward pass stays away from kinks.
use super::{Evaluator, Values, norm, places, window_taps};
use nf_gpu::{
    nn::{NodeId, Op},
    shape::Window,
};

impl Evaluator<'_> {
    /// How near the forward pass comes to a kink: the smallest distance of a ReLU's input from 0 and
    /// of a pool's maximum from the runner-up, in root mean squares of the tensor. Where f32 falls on
    /// the other side of a kink gradients differ at once.
    pub(crate) fn margin(&self, values: &Values) -> f64 {
        let mut margin = f64::INFINITY;
        for (node, of) in self.graph.nodes.iter().enumerate() {
            let Some(&input) = of.inputs.first() else { continue };
            let x = &values.nodes[input];
            let rms = norm(x) / (x.len() as f64).sqrt();
            let nearest = match of.op {
                Op::Relu => x.iter().map(|v| v.abs()).fold(f64::INFINITY, f64::min),
                Op::MaxPool(window) => self.pool_gap(node, window, x),
                _ => continue,
            };
            margin = margin.min(nearest / rms);
        }
        margin
    }

    fn pool_gap(&self, node: NodeId, window: Window, x: &[f64]) -> f64 {
        let [_, h, w] = self.chw(self.graph.nodes[node].inputs[0]);
        let [_, oh, ow] = self.chw(node);
        let mut gap = f64::INFINITY;
        for plane in x.chunks(h * w) {
            for (_, i, j) in places([1, oh, ow]) {
                let mut of: Vec<f64> = window_taps(window, i as i64, j as i64)
                    .filter(|&(i, j)| (0..h as i64).contains(&i) && (0..w as i64).contains(&j))
                    .map(|(i, j)| plane[i as usize * w + j as usize])
                    .collect();
                of.sort_by(|a, b| b.total_cmp(a));
                // Zeros tie behind a ReLU, which lets no gradient through for any of them.
                if of[0] > 0.0 {
                    gap = gap.min(of[0] - of[1]);
                }
            }
        }
        gap
    }
}
