//! A plain evaluator of graphs in f64 on the CPU, forward and backward, in PyTorch's order (NCHW).
//! Written from the definitions of the operations, not from the shaders or their twins.
mod backward;
mod kinks;
mod meeting;

pub(crate) use kinks::corners;
use meeting::Meeting;
use nf_gpu::{
    files::Weights,
    nn::{Graph, NodeId, Op},
    shape::Window,
};
use std::collections::BTreeMap;

const MOMENTUM: f64 = 0.1;

/// A graph with its parameters.
pub(crate) struct Evaluator<'a> {
    pub(crate) graph: &'a Graph,
    /// Parameters and running statistics.
    pub(crate) parameters: &'a Weights,
    /// Weights of each layer as the network computes with them, in PyTorch's order.
    pub(crate) weights: Vec<Vec<f32>>,
    /// Batch statistics in batch norm instead of running ones.
    pub(crate) training: bool,
}

/// The value of every node.
pub(crate) struct Values {
    n: usize,
    pub(crate) nodes: Vec<Vec<f64>>,
}

impl Values {
    pub(crate) fn output(&self) -> &[f64] {
        self.nodes.last().unwrap()
    }
}

/// One channel's normalisation: `y = (x - mean) * inv_std * gamma + beta`.
struct Normaliser {
    mean: f64,
    var: f64,
    gamma: f64,
    beta: f64,
    /// Added to the variance.
    eps: f64,
}

impl Evaluator<'_> {
    fn parameter(&self, index: usize) -> Vec<f64> {
        let param = &self.graph.params[index];
        wide(&self.parameters.get(&param.name, &param.shape).unwrap().data)
    }

    fn chw(&self, node: NodeId) -> [usize; 3] {
        self.graph.nodes[node].chw.map(|extent| extent as usize)
    }

    /// Elements of a node's value for one image.
    fn len(&self, node: NodeId) -> usize {
        self.chw(node).iter().product()
    }

    pub(crate) fn forward(&self, images: &[f64]) -> Values {
        let n = images.len() / self.len(0);
        let mut values = Values { n, nodes: vec![images.to_vec()] };
        for node in 1..self.graph.nodes.len() {
            let y = self.value(node, &values);
            assert_eq!(y.len(), n * self.len(node));
            values.nodes.push(y);
        }
        values
    }

    fn value(&self, node: NodeId, values: &Values) -> Vec<f64> {
        let inputs = &self.graph.nodes[node].inputs;
        let x = &values.nodes[inputs[0]];
        let [c, h, w] = self.chw(node);
        match &self.graph.nodes[node].op {
            Op::Input => unreachable!("a second input"),
            Op::Conv { .. } | Op::Linear { .. } => self.conv(node, values),
            Op::BatchNorm(norm) => {
                let channels = self.normalisers(*norm, x, c, h * w);
                let one = |i: usize| {
                    let by = &channels[i / (h * w) % c];
                    (x[i] - by.mean) / (by.var + by.eps).sqrt() * by.gamma + by.beta
                };
                (0..x.len()).map(one).collect()
            }
            Op::Affine { scale, shift } => {
                let of = |v: &[f32], i: usize| f64::from(v[i / (h * w) % c]);
                (0..x.len()).map(|i| x[i] * of(scale, i) + of(shift, i)).collect()
            }
            Op::Relu => x.iter().map(|v| v.max(0.0)).collect(),
            Op::Tanh => x.iter().map(|v| v.tanh()).collect(),
            Op::LeakyRelu(slope) => {
                x.iter().map(|&v| if v > 0.0 { v } else { v * f64::from(*slope) }).collect()
            }
            Op::Pointwise(function) => x.iter().map(|&v| function.of(v)).collect(),
            Op::AvgPool(..) => {
                let mut y = vec![0.0; values.n * self.len(node)];
                self.means(node, values.n, |at, from, part| y[at] += x[from] * part);
                y
            }
            Op::Multiply => {
                let b = &values.nodes[inputs[1]];
                (0..x.len()).map(|i| x[i] * b[self.gate(inputs, i)]).collect()
            }
            Op::Rearrange { table, fill } => {
                let len = self.len(inputs[0]);
                let one = |image: usize, from: u32| match x.get(image * len + from as usize) {
                    Some(&v) if (from as usize) < len => v,
                    _ => f64::from(*fill),
                };
                (0..values.n).flat_map(|n| table.iter().map(move |&from| one(n, from))).collect()
            }
            Op::Dropout(p) => self.dropped(node, *p, x),
            Op::LearnedImage(param) => self.parameter(*param).repeat(values.n),
            Op::Add => x.iter().zip(&values.nodes[inputs[1]]).map(|(a, b)| a + b).collect(),
            Op::MaxPool(_) | Op::Upsample(_) | Op::Concat | Op::Gather(_) => self
                .picks(node, values)
                .into_iter()
                .map(|pick| pick.map_or(0.0, |(input, at)| values.nodes[inputs[input]][at]))
                .collect(),
        }
    }

    /// Values (or gradients) after a dropout of 1x1 pixels, with seed 0.
    fn dropped(&self, node: NodeId, p: f32, x: &[f64]) -> Vec<f64> {
        if !self.training {
            return x.to_vec();
        }
        assert_eq!(self.chw(node)[1..], [1, 1], "only behind fully connected layers");
        let kept = nf_gpu::kernels::elementwise::dropout::kept(x.len(), 0, node as u32, p, [0, 0]);
        let scale = 1.0 / (1.0 - f64::from(p));
        x.iter().zip(kept).map(|(x, keep)| if keep { x * scale } else { 0.0 }).collect()
    }

    /// Calls `f(output, input, part)` for every element of a mean's output and every input element in its window.
    fn means(&self, node: NodeId, n: usize, mut f: impl FnMut(usize, usize, f64)) {
        let Op::AvgPool(window, divisor) = self.graph.nodes[node].op else {
            unreachable!("{node} is no mean")
        };
        let [c, h, w] = self.chw(self.graph.nodes[node].inputs[0]);
        let [_, oh, ow] = self.chw(node);
        for (at, (plane, i, j)) in places([n * c, oh, ow]).enumerate() {
            let image = [h as u32, w as u32];
            let taps = f64::from(divisor.taps(window, image, [i as u32, j as u32]));
            for (row, column) in window_taps(window, i as i64, j as i64) {
                if (0..h as i64).contains(&row) && (0..w as i64).contains(&column) {
                    f(at, (plane * h + row as usize) * w + column as usize, 1.0 / taps);
                }
            }
        }
    }

    /// Element of a product's second input that multiplies element `i` of the first.
    fn gate(&self, inputs: &[NodeId], i: usize) -> usize {
        let [_, h, w] = self.chw(inputs[0]);
        if self.len(inputs[0]) == self.len(inputs[1]) { i } else { i / (h * w) }
    }

    fn conv(&self, node: NodeId, values: &Values) -> Vec<f64> {
        let meeting = Meeting::of(self, node, values.n);
        let x = &values.nodes[self.graph.nodes[node].inputs[0]];
        let weights = &self.weights[meeting.layer];
        let [k, h, w] = self.chw(node);
        let bias = self.graph.layers[meeting.layer].bias.map(|i| self.parameter(i));
        let start = |i: usize| bias.as_ref().map_or(0.0, |b| b[i / (h * w) % k]);
        let mut y: Vec<f64> = (0..values.n * k * h * w).map(start).collect();
        if meeting.transposed {
            meeting.to_large(weights, x, &mut y);
        } else {
            meeting.to_small(weights, x, &mut y);
        }
        y
    }

    fn normalisers(&self, norm: usize, x: &[f64], c: usize, plane: usize) -> Vec<Normaliser> {
        let norm = self.graph.norms[norm];
        let [gamma, beta] = [norm.gamma, norm.beta()].map(|i| self.parameter(i));
        let (means, vars) = if self.training {
            moments(x, c, plane)
        } else {
            (self.parameter(norm.mean()), self.parameter(norm.var()))
        };
        let eps = f64::from(norm.eps);
        let at =
            |i| Normaliser { mean: means[i], var: vars[i], gamma: gamma[i], beta: beta[i], eps };
        (0..c).map(at).collect()
    }

    /// Input and element that each output element is copied from; `None` for a zero.
    fn picks(&self, node: NodeId, values: &Values) -> Vec<Option<(usize, usize)>> {
        let inputs = &self.graph.nodes[node].inputs;
        let x = &values.nodes[inputs[0]];
        let [xc, xh, xw] = self.chw(inputs[0]).map(|extent| extent as i64);
        let at = |n: usize, c: i64, i: i64, j: i64| {
            let inside = (0..xc).contains(&c) && (0..xh).contains(&i) && (0..xw).contains(&j);
            inside.then_some((((n as i64 * xc + c) * xh + i) * xw + j) as usize)
        };
        let [yc, yh, yw] = self.chw(node);
        let mut picks = Vec::new();
        for n in 0..values.n {
            for (c, i, j) in places([yc, yh, yw]) {
                let (ci, ii, ji) = (c as i64, i as i64, j as i64);
                picks.push(match &self.graph.nodes[node].op {
                    Op::Upsample(by) => {
                        let by = i64::from(*by);
                        at(n, ci, ii / by, ji / by).map(|from| (0, from))
                    }
                    Op::Gather(g) => {
                        let [mul, div] = [g.mul, g.div].map(i64::from);
                        let from = [ii, ji].map(|p| p * mul + i64::from(g.offset));
                        let whole = from.iter().all(|p| p.rem_euclid(div) == 0);
                        let [i, j] = from.map(|p| p.div_euclid(div));
                        let c = ci + i64::from(g.channel_offset);
                        at(n, c, i, j).filter(|_| whole).map(|from| (0, from))
                    }
                    Op::Concat => at(n, ci, ii, ji).map_or_else(
                        || {
                            let rest = yc - xc as usize;
                            Some((1, ((n * rest + c - xc as usize) * yh + i) * yw + j))
                        },
                        |from| Some((0, from)),
                    ),
                    Op::MaxPool(window) => {
                        let taps = window_taps(*window, ii, ji);
                        let taps = taps.filter_map(|(i, j)| at(n, ci, i, j));
                        // Of equal values the first is taken.
                        let best =
                            taps.reduce(|best, tap| if x[tap] > x[best] { tap } else { best });
                        best.map(|from| (0, from))
                    }
                    _ => unreachable!("{node} copies nothing"),
                });
            }
        }
        picks
    }

    /// Running statistics after a training pass, by name.
    pub(crate) fn running(&self, values: &Values) -> BTreeMap<String, Vec<f64>> {
        let mut running = BTreeMap::new();
        for (node, of) in self.graph.nodes.iter().enumerate() {
            let Op::BatchNorm(norm) = of.op else { continue };
            let norm = self.graph.norms[norm];
            let [c, h, w] = self.chw(node);
            let (mean, mut var) = moments(&values.nodes[of.inputs[0]], c, h * w);
            let m = (values.n * h * w) as f64;
            var.iter_mut().for_each(|v| *v *= m / (m - 1.0));
            for (index, batch) in [(norm.mean(), mean), (norm.var(), var)] {
                let before = self.parameter(index);
                let mix = |(old, new): (&f64, &f64)| old * (1.0 - MOMENTUM) + new * MOMENTUM;
                let after = before.iter().zip(&batch).map(mix).collect();
                running.insert(self.graph.params[index].name.clone(), after);
            }
        }
        running
    }
}

fn window_taps(window: Window, i: i64, j: i64) -> impl Iterator<Item = (i64, i64)> {
    let [down, right] = window.stride.map(i64::from);
    let [above, left] = window.before.map(i64::from);
    let [rows, columns] = window.kernel.map(i64::from);
    (0..rows * columns)
        .map(move |tap| (i * down + tap / columns - above, j * right + tap % columns - left))
}

fn places([a, b, c]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a * b * c).map(move |i| (i / (b * c), i / c % b, i % c))
}

fn channel_sums(c: usize, plane: usize, len: usize, f: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; c];
    (0..len).for_each(|i| sums[i / plane % c] += f(i));
    sums
}

/// Mean and variance (divided by the number of values) of every channel.
fn moments(x: &[f64], c: usize, plane: usize) -> (Vec<f64>, Vec<f64>) {
    let m = (x.len() / c) as f64;
    let mut mean = channel_sums(c, plane, x.len(), |i| x[i]);
    mean.iter_mut().for_each(|sum| *sum /= m);
    let mut var = channel_sums(c, plane, x.len(), |i| (x[i] - mean[i / plane % c]).powi(2));
    var.iter_mut().for_each(|sum| *sum /= m);
    (mean, var)
}

pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

pub(crate) fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// `|got - want| / |want|`; NaN if any value is NaN.
pub(crate) fn relative_l2(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let error: f64 = got.iter().zip(want).map(|(&g, w)| (f64::from(g) - w).powi(2)).sum();
    error.sqrt() / norm(want)
}
