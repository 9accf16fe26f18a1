//! Functions of single elements.

use super::{
    super::{
        model::NodeProto,
        reasons::{Reason, Taken},
        value::{HostTensor, Numbers},
    },
    Lowering,
    tensor::Operand,
};
use crate::{
    kernels::elementwise::pointwise::Pointwise,
    nn::{Graph, NodeId},
};

/// A function of single elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Nonlinearity {
    /// `max(x, 0)`.
    Relu,
    /// `tanh(x)`.
    Tanh,
    /// `x` where it is above 0, else this number above 0 times `x`.
    LeakyRelu(f32),
    /// Another.
    Other(Pointwise),
}

impl Nonlinearity {
    /// Adds it to a graph.
    pub(super) fn of(self, graph: &mut Graph, x: NodeId) -> NodeId {
        match self {
            Self::Relu => graph.relu(x),
            Self::Tanh => graph.tanh(x),
            Self::LeakyRelu(slope) => graph.leaky_relu(x, slope),
            Self::Other(function) => graph.pointwise(x, function),
        }
    }
}

impl Lowering<'_> {
    /// An activation; `x sigmoid(x)` and `x hard_sigmoid(x)` are taken together with their `Mul`.
    pub(super) fn activation(&mut self, node: &NodeProto) -> Taken<Operand> {
        let x = self.tensor(node, 0)?;
        let of = |name: &str, default: f32| node.float(name).unwrap_or(default);
        let kind = match node.op.as_str() {
            "Relu" => Nonlinearity::Relu,
            "Tanh" => Nonlinearity::Tanh,
            "HardSwish" => Nonlinearity::Other(Pointwise::HardSwish),
            "Sigmoid" => Nonlinearity::Other(Pointwise::Sigmoid),
            "HardSigmoid" => {
                let (alpha, beta) = (of("alpha", 0.2), of("beta", 0.5));
                if !alpha.is_normal() || !beta.is_finite() {
                    return Err(Reason::damaged(format!(
                        "its alpha is {alpha} and its beta {beta}"
                    )));
                }
                Nonlinearity::Other(Pointwise::HardSigmoid { alpha, beta })
            }
            "LeakyRelu" => return self.leaky(&x, of("alpha", 0.01)),
            "PRelu" => return self.prelu(node, &x),
            _ => match self.bounds(node)? {
                Some(kind) => kind,
                None => return Ok(x),
            },
        };
        if let Some((kind, mul)) = gated(kind).zip(self.gate(node)) {
            let y = self.pointwise(&x, |graph, x| kind.of(graph, x))?;
            self.fuse(mul, &y);
            // Nobody but the Mul reads the gate, so that it can stand for anything.
            return Ok(y);
        }
        self.pointwise(&x, |graph, x| kind.of(graph, x))
    }

    /// The `Mul` of a gate and what it is computed of, if nothing else reads the gate.
    fn gate(&self, node: &NodeProto) -> Option<usize> {
        let (at, mul) = self.sole_reader(node.output())?;
        let (x, gate) = (node.input(0)?, node.output());
        let both = mul.op == "Mul" && mul.inputs.len() == 2;
        let reads = |a: usize, b: usize| mul.input(a) == Some(x) && mul.input(b) == Some(gate);
        (both && (reads(0, 1) || reads(1, 0))).then_some(at)
    }

    /// What `Clip` does: its bounds were attributes before operator set 11.
    fn bounds(&mut self, node: &NodeProto) -> Taken<Option<Nonlinearity>> {
        let mut bounds = [node.float("min"), node.float("max")];
        for (i, bound) in bounds.iter_mut().enumerate() {
            if let Some(constant) = self.constant(node, i + 1)? {
                let one = constant.value.scalar();
                *bound =
                    Some(one.ok_or_else(|| Reason::damaged("its bounds are no single numbers"))?);
            }
        }
        let [low, high] = [
            bounds[0].unwrap_or(f32::MIN).max(f32::MIN),
            bounds[1].unwrap_or(f32::MAX).min(f32::MAX),
        ];
        if low.is_nan() || high.is_nan() || low >= high {
            return Err(Reason::damaged(format!("its bounds are {low} and {high}")));
        }
        Ok(clip(low, high))
    }

    /// `max(x, 0) + slope min(x, 0)` with a constant slope: one for all, or one per channel.
    fn prelu(&mut self, node: &NodeProto, x: &Operand) -> Taken<Operand> {
        let slope = self.constant(node, 1)?.ok_or_else(|| Reason::damaged("it has no slope"))?;
        let list = slope.value.floats();
        if let Some(&first) = list.first().filter(|first| list.iter().all(|v| v == *first)) {
            return self.leaky(x, first);
        }
        self.two_slopes(x, &slope.value)
    }

    /// The activation with one slope below 0.
    pub(super) fn leaky(&mut self, x: &Operand, slope: f32) -> Taken<Operand> {
        match slope {
            0.0 => self.pointwise(x, Graph::relu),
            1.0 => Ok(x.clone()),
            slope if slope.is_normal() && slope > 0.0 => {
                self.pointwise(x, |graph, x| Nonlinearity::LeakyRelu(slope).of(graph, x))
            }
            slope if slope.is_finite() => self.two_slopes(
                x,
                &HostTensor { dims: Vec::new(), data: Numbers::Floats(vec![slope]) },
            ),
            slope => Err(Reason::damaged(format!("its slope is {slope}"))),
        }
    }

    /// `max(x, 0) - slope max(-x, 0)`.
    fn two_slopes(&mut self, x: &Operand, slope: &HostTensor) -> Taken<Operand> {
        let positive = self.pointwise(x, Graph::relu)?;
        let minus = self.pointwise(x, |graph, x| {
            let c = graph.nodes[x].chw[0] as usize;
            let minus = graph.affine(x, &vec![-1.0; c], &vec![0.0; c]);
            graph.relu(minus)
        })?;
        let negative = self.scaled(&minus, slope, |slope| (-slope, 0.0))?;
        self.sum(&positive, &negative)
    }
}

/// The activation that is `x` times this one.
fn gated(gate: Nonlinearity) -> Option<Nonlinearity> {
    let is_sixth = |alpha: f32| (alpha - 1.0 / 6.0).abs() < 1e-6;
    match gate {
        Nonlinearity::Other(Pointwise::Sigmoid) => Some(Nonlinearity::Other(Pointwise::Silu)),
        Nonlinearity::Other(Pointwise::HardSigmoid { alpha, beta: 0.5 }) if is_sixth(alpha) => {
            Some(Nonlinearity::Other(Pointwise::HardSwish))
        }
        _ => None,
    }
}

/// Values kept between two bounds; `None` where there are none.
pub(super) fn clip(low: f32, high: f32) -> Option<Nonlinearity> {
    match (low, high) {
        (f32::MIN, f32::MAX) => None,
        (0.0, f32::MAX) => Some(Nonlinearity::Relu),
        (low, high) => Some(Nonlinearity::Other(Pointwise::Clip { low, high })),
    }
}
