//! Gradients of all nodes, in reverse order.
use super::{Evaluator, Values, channel_sums, meeting::Meeting};
use nf_gpu::nn::{NodeId, Op};
use std::collections::BTreeMap;

/// Gradients of the images and, by name, of the parameters.
pub(crate) struct Gradients {
    pub(crate) images: Vec<f64>,
    pub(crate) parameters: BTreeMap<String, Vec<f64>>,
}

impl Evaluator<'_> {
    /// All gradients, computed from the gradient of the output.
    pub(crate) fn backward(&self, values: &Values, dy: &[f64]) -> Gradients {
        let mut grads: Vec<Vec<f64>> = values.nodes.iter().map(|v| vec![0.0; v.len()]).collect();
        let mut parameters = BTreeMap::new();
        *grads.last_mut().unwrap() = dy.to_vec();
        for node in (1..self.graph.nodes.len()).rev() {
            let dy = std::mem::take(&mut grads[node]);
            for (input, dx) in self.undo(node, values, &dy, &mut parameters) {
                grads[input].iter_mut().zip(dx).for_each(|(sum, d)| *sum += d);
            }
        }
        Gradients { images: grads.swap_remove(0), parameters }
    }

    /// Gradients that a node passes to each of its inputs.
    fn undo(
        &self,
        node: NodeId,
        values: &Values,
        dy: &[f64],
        parameters: &mut BTreeMap<String, Vec<f64>>,
    ) -> Vec<(NodeId, Vec<f64>)> {
        let inputs = &self.graph.nodes[node].inputs;
        let (x, y) = (&values.nodes[inputs[0]], &values.nodes[node]);
        let [c, h, w] = self.chw(node);
        let each = |f: &dyn Fn(usize) -> f64| (0..dy.len()).map(f).collect();
        let dx: Vec<f64> = match &self.graph.nodes[node].op {
            Op::Input => unreachable!("a second input"),
            Op::Conv { .. } | Op::Linear { .. } => self.undo_conv(node, values, dy, parameters),
            Op::BatchNorm(norm) => self.undo_norm(*norm, [c, h * w], x, dy, parameters),
            Op::Affine { scale, .. } => each(&|i| dy[i] * f64::from(scale[i / (h * w) % c])),
            Op::Relu => each(&|i| if x[i] > 0.0 { dy[i] } else { 0.0 }),
            Op::Tanh => each(&|i| dy[i] * (1.0 - y[i] * y[i])),
            Op::LeakyRelu(slope) => {
                each(&|i| dy[i] * if x[i] > 0.0 { 1.0 } else { f64::from(*slope) })
            }
            Op::Pointwise(function) => each(&|i| dy[i] * function.slope(x[i])),
            Op::AvgPool(..) => {
                let mut dx = vec![0.0; x.len()];
                self.means(node, values.n, |at, from, part| dx[from] += dy[at] * part);
                dx
            }
            Op::Multiply => {
                let b = &values.nodes[inputs[1]];
                let mut db = vec![0.0; b.len()];
                for (i, dy) in dy.iter().enumerate() {
                    db[self.gate(inputs, i)] += dy * x[i];
                }
                let da = each(&|i| dy[i] * b[self.gate(inputs, i)]);
                return vec![(inputs[0], da), (inputs[1], db)];
            }
            Op::Rearrange { table, .. } => {
                let (from, to) = (self.len(inputs[0]), table.len());
                let mut dx = vec![0.0; x.len()];
                for (i, dy) in dy.iter().enumerate() {
                    if let Some(at) = Some(table[i % to] as usize).filter(|&at| at < from) {
                        dx[i / to * from + at] += dy;
                    }
                }
                dx
            }
            Op::Dropout(p) => self.dropped(node, *p, dy),
            Op::LearnedImage(param) => {
                let len = self.len(node);
                let sum = |i: usize| dy.iter().skip(i).step_by(len).sum();
                let name = self.graph.params[*param].name.clone();
                parameters.insert(name, (0..len).map(sum).collect());
                vec![0.0; x.len()]
            }
            Op::Add => return inputs.iter().map(|&input| (input, dy.to_vec())).collect(),
            Op::MaxPool(_) | Op::Upsample(_) | Op::Concat | Op::Gather(_) => {
                let mut dxs: Vec<_> = inputs
                    .iter()
                    .map(|&input| (input, vec![0.0; values.nodes[input].len()]))
                    .collect();
                for (pick, dy) in self.picks(node, values).into_iter().zip(dy) {
                    if let Some((input, at)) = pick {
                        dxs[input].1[at] += dy;
                    }
                }
                return dxs;
            }
        };
        vec![(inputs[0], dx)]
    }

    fn undo_conv(
        &self,
        node: NodeId,
        values: &Values,
        dy: &[f64],
        parameters: &mut BTreeMap<String, Vec<f64>>,
    ) -> Vec<f64> {
        let meeting = Meeting::of(self, node, values.n);
        let x = &values.nodes[self.graph.nodes[node].inputs[0]];
        let layer = self.graph.layers[meeting.layer];
        let mut dx = vec![0.0; x.len()];
        let weights = &self.weights[meeting.layer];
        if meeting.transposed {
            meeting.to_small(weights, dy, &mut dx);
        } else {
            meeting.to_large(weights, dy, &mut dx);
        }
        if self.training {
            let (large, small) = if meeting.transposed { (dy, &x[..]) } else { (&x[..], dy) };
            let mut dw = vec![0.0; weights.len()];
            meeting.to_weights(large, small, &mut dw);
            parameters.insert(self.graph.params[layer.weight].name.clone(), dw);
            if let Some(bias) = layer.bias {
                let [k, h, w] = self.chw(node);
                let name = self.graph.params[bias].name.clone();
                parameters.insert(name, channel_sums(k, h * w, dy.len(), |i| dy[i]));
            }
        }
        dx
    }

    fn undo_norm(
        &self,
        norm: usize,
        [c, plane]: [usize; 2],
        x: &[f64],
        dy: &[f64],
        parameters: &mut BTreeMap<String, Vec<f64>>,
    ) -> Vec<f64> {
        let by = self.normalisers(norm, x, c, plane);
        let slope = |i: usize| {
            let by = &by[i / plane % c];
            by.gamma / (by.var + by.eps).sqrt()
        };
        if !self.training {
            return (0..x.len()).map(|i| dy[i] * slope(i)).collect();
        }
        let unit = |i: usize| {
            let by = &by[i / plane % c];
            (x[i] - by.mean) / (by.var + by.eps).sqrt()
        };
        let dbeta = channel_sums(c, plane, dy.len(), |i| dy[i]);
        let dgamma = channel_sums(c, plane, dy.len(), |i| dy[i] * unit(i));
        let m = (x.len() / c) as f64;
        let dx = |i: usize| {
            let at = i / plane % c;
            slope(i) * (dy[i] - dbeta[at] / m - unit(i) * dgamma[at] / m)
        };
        let dx = (0..x.len()).map(dx).collect();
        let norm = self.graph.norms[norm];
        for (index, gradient) in [(norm.gamma, dgamma), (norm.beta(), dbeta)] {
            parameters.insert(self.graph.params[index].name.clone(), gradient);
        }
        dx
    }
}
