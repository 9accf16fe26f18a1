//! What a graph computes of one image, as its definition says, in f64: the tests compare it with ONNX's results.

use crate::{
    files::Weights,
    kernels::{layout::rearrange::FILL, quantise::fault_dequantize::Order},
    nn::{Graph, Node, Op},
    shape::Window,
};

/// The output of a network for one image `[C, H, W]`.
pub(super) fn evaluate(graph: &Graph, weights: &Weights, image: &[f32]) -> Vec<f64> {
    let mut values: Vec<Vec<f64>> = Vec::new();
    for node in &graph.nodes {
        let x: &[f64] = node.inputs.first().map_or(&[], |&i| &values[i]);
        let second: &[f64] = node.inputs.get(1).map_or(&[], |&i| &values[i]);
        let from = node.inputs.first().map_or([0; 3], |&i| graph.nodes[i].chw);
        let y = value(graph, weights, node, (x, from), second, image);
        assert_eq!(y.len(), size(node.chw), "{:?}", node.op);
        values.push(y);
    }
    values.pop().unwrap()
}

fn size(chw: [u32; 3]) -> usize {
    chw.iter().map(|&n| n as usize).product()
}

fn value(
    graph: &Graph,
    weights: &Weights,
    node: &Node,
    (x, from): (&[f64], [u32; 3]),
    second: &[f64],
    image: &[f32],
) -> Vec<f64> {
    let plane = (node.chw[1] * node.chw[2]) as usize;
    let param = |i: usize| {
        let param = &graph.params[i];
        weights
            .get(&param.name, &param.shape)
            .unwrap()
            .data
            .iter()
            .map(|&v| f64::from(v))
            .collect::<Vec<_>>()
    };
    let each = |f: &dyn Fn(f64, usize) -> f64| -> Vec<f64> {
        x.iter().enumerate().map(|(i, &v)| f(v, i / plane)).collect()
    };
    match &node.op {
        Op::Input => image.iter().map(|&v| f64::from(v)).collect(),
        Op::Affine { scale, shift } => each(&|v, c| v * f64::from(scale[c]) + f64::from(shift[c])),
        Op::BatchNorm(norm) => {
            let norm = graph.norms[*norm];
            let [gamma, beta, mean, var] =
                [norm.gamma, norm.beta(), norm.mean(), norm.var()].map(param);
            each(&|v, c| (v - mean[c]) / (var[c] + f64::from(norm.eps)).sqrt() * gamma[c] + beta[c])
        }
        Op::Relu => each(&|v, _| v.max(0.0)),
        Op::Tanh => each(&|v, _| v.tanh()),
        Op::LeakyRelu(slope) => each(&|v, _| if v > 0.0 { v } else { v * f64::from(*slope) }),
        Op::Pointwise(function) => each(&|v, _| function.of(v)),
        Op::Add => x.iter().zip(second).map(|(a, b)| a + b).collect(),
        Op::Multiply if second.len() == x.len() => {
            x.iter().zip(second).map(|(a, b)| a * b).collect()
        }
        Op::Multiply => each(&|v, c| v * second[c]),
        Op::Concat => [x, second].concat(),
        Op::Rearrange { table, fill } => table
            .iter()
            .map(|&at| if at == FILL { f64::from(*fill) } else { x[at as usize] })
            .collect(),
        Op::Linear { layer } => {
            let layer = graph.layers[*layer];
            let (w, k) = (param(layer.weight), node.chw[0] as usize);
            let at = |k_: usize, i: usize| {
                if layer.order == Order::OutIn { k_ * x.len() + i } else { i * k + k_ }
            };
            let bias = layer.bias.map(param);
            let sum = |k_: usize| x.iter().enumerate().map(|(i, v)| v * w[at(k_, i)]).sum::<f64>();
            (0..k).map(|k_| sum(k_) + bias.as_ref().map_or(0.0, |b| b[k_])).collect()
        }
        Op::Conv { layer, window, transposed, dilation } => {
            let layer = graph.layers[*layer];
            let (w, bias) = (param(layer.weight), layer.bias.map(param));
            let conv = Conv {
                window: *window,
                dilation: *dilation,
                groups: layer.groups,
                from,
                to: node.chw,
            };
            let mut y = if *transposed { conv.transposed(x, &w) } else { conv.forward(x, &w) };
            if let Some(bias) = bias {
                y.iter_mut().enumerate().for_each(|(i, v)| *v += bias[i / plane]);
            }
            y
        }
        Op::MaxPool(window) => pooled(*window, from, node.chw, |inside, _| {
            inside.iter().map(|&i| x[i]).fold(f64::NEG_INFINITY, f64::max)
        }),
        Op::AvgPool(window, divisor) => pooled(*window, from, node.chw, |inside, at| {
            let taps = divisor.taps(*window, [from[1], from[2]], at);
            inside.iter().map(|&i| x[i]).sum::<f64>() / f64::from(taps)
        }),
        Op::Upsample(by) => pixels(node.chw, |c, i, j| Some((c, i / by, j / by)), x, from),
        Op::Gather(gather) if gather.div == 1 => pixels(
            node.chw,
            |c, i, j| {
                let at = |i: u32| (i * gather.mul).checked_add_signed(gather.offset);
                Some((c.checked_add_signed(gather.channel_offset)?, at(i)?, at(j)?))
            },
            x,
            from,
        ),
        Op::Dropout(_) => x.to_vec(),
        Op::LearnedImage(index) => param(*index),
        op => panic!("no test makes {op:?}"),
    }
}

/// Each pixel of an image `to` from one of the image `x`, or 0 outside it.
fn pixels(
    to: [u32; 3],
    source: impl Fn(u32, u32, u32) -> Option<(u32, u32, u32)>,
    x: &[f64],
    [channels, rows, columns]: [u32; 3],
) -> Vec<f64> {
    let [c, h, w] = to;
    let one = |i: u32| match source(i / (h * w), i / w % h, i % w) {
        Some((c, i, j)) if c < channels && i < rows && j < columns => {
            x[((c * rows + i) * columns + j) as usize]
        }
        _ => 0.0,
    };
    (0..c * h * w).map(one).collect()
}

pub(super) struct Conv {
    pub(super) window: Window,
    pub(super) dilation: [u32; 2],
    pub(super) groups: u32,
    pub(super) from: [u32; 3],
    pub(super) to: [u32; 3],
}

impl Conv {
    /// Calls `f(output pixel, input pixel, tap)` for all that meet; for a transposed convolution the other way round.
    fn meet(&self, outer: [u32; 3], inner: [u32; 3], mut f: impl FnMut(usize, usize, usize)) {
        let [r, s] = self.window.kernel;
        for (i, j) in (0..outer[1]).flat_map(|i| (0..outer[2]).map(move |j| (i, j))) {
            for (a, b) in (0..r).flat_map(|a| (0..s).map(move |b| (a, b))) {
                let row = i * self.window.stride[0] + a * self.dilation[0];
                let column = j * self.window.stride[1] + b * self.dilation[1];
                let (row, column) = (
                    row.wrapping_sub(self.window.before[0]),
                    column.wrapping_sub(self.window.before[1]),
                );
                if row < inner[1] && column < inner[2] {
                    f(
                        (i * outer[2] + j) as usize,
                        (row * inner[2] + column) as usize,
                        (a * s + b) as usize,
                    );
                }
            }
        }
    }

    pub(super) fn forward(&self, x: &[f64], w: &[f64]) -> Vec<f64> {
        let taps = (self.window.kernel[0] * self.window.kernel[1]) as usize;
        let (planes, pixels) =
            ((self.from[1] * self.from[2]) as usize, (self.to[1] * self.to[2]) as usize);
        let (k, c) = ((self.to[0] / self.groups) as usize, (self.from[0] / self.groups) as usize);
        let mut y = vec![0.0; size(self.to)];
        self.meet(self.to, self.from, |out, inp, tap| {
            for k_ in 0..self.to[0] as usize {
                let first = k_ / k * c;
                y[k_ * pixels + out] += (0..c)
                    .map(|c_| x[(first + c_) * planes + inp] * w[(k_ * c + c_) * taps + tap])
                    .sum::<f64>();
            }
        });
        y
    }

    pub(super) fn transposed(&self, x: &[f64], w: &[f64]) -> Vec<f64> {
        let taps = (self.window.kernel[0] * self.window.kernel[1]) as usize;
        let (planes, pixels) =
            ((self.from[1] * self.from[2]) as usize, (self.to[1] * self.to[2]) as usize);
        let k = self.to[0] as usize;
        let mut y = vec![0.0; size(self.to)];
        self.meet(self.from, self.to, |inp, out, tap| {
            for k_ in 0..k {
                y[k_ * pixels + out] += (0..self.from[0] as usize)
                    .map(|c| x[c * planes + inp] * w[(c * k + k_) * taps + tap])
                    .sum::<f64>();
            }
        });
        y
    }
}

fn pooled(
    window: Window,
    from: [u32; 3],
    to: [u32; 3],
    f: impl Fn(&[usize], [u32; 2]) -> f64,
) -> Vec<f64> {
    let mut y = Vec::new();
    for (c, i) in (0..to[0]).flat_map(|c| (0..to[1]).map(move |i| (c, i))) {
        for j in 0..to[2] {
            let [rows, columns] = window.kernel;
            let taps = (0..rows).flat_map(|a| (0..columns).map(move |b| (a, b)));
            let inside = taps.filter_map(|(a, b)| {
                let row = (i * window.stride[0] + a)
                    .checked_sub(window.before[0])
                    .filter(|&r| r < from[1])?;
                let column = (j * window.stride[1] + b)
                    .checked_sub(window.before[1])
                    .filter(|&s| s < from[2])?;
                Some(((c * from[1] + row) * from[2] + column) as usize)
            });
            y.push(f(&inside.collect::<Vec<_>>(), [i, j]));
        }
    }
    y
}
