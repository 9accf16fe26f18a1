//! Functions of single elements.

use super::{
    super::{
        model::NodeProto,
        reasons::{Reason, Taken},
    },
    Lowering,
    tensor::Tensor,
};
use super::super::stub::{Activation, Build as _};

impl Lowering<'_> {
    /// An activation; `x sigmoid(x)` and `x hard_sigmoid(x)` are taken together with their `Mul`.
    pub(super) fn activation(&mut self, i: usize, node: &NodeProto) -> Taken<Tensor> {
        let x = self.tensor(node, 0)?;
        let of = |name: &str, default: f32| node.float(name).unwrap_or(default);
        let kind = match node.op.as_str() {
            "Relu" => Activation::Relu,
            "Tanh" => Activation::Tanh,
            "HardSwish" => Activation::HardSwish,
            "Sigmoid" => Activation::Sigmoid,
            "HardSigmoid" => Activation::HardSigmoid { alpha: of("alpha", 0.2), beta: of("beta", 0.5) },
            "LeakyRelu" => Activation::LeakyRelu(of("alpha", 0.01)),
            "PRelu" => return self.prelu(node, &x),
            _ => match self.bounds(node)? {
                Some(kind) => kind,
                None => return Ok(x),
            },
        };
        if let Some((kind, mul)) = gated(kind).zip(self.gate(i, node)) {
            let y = self.pointwise(&x, |graph, x| graph.activation(x, kind))?;
            self.fuse(mul, &y);
            // Nobody but the Mul reads the gate, so that it can stand for anything.
            return Ok(y);
        }
        self.pointwise(&x, |graph, x| graph.activation(x, kind))
    }

    /// The `Mul` of a gate and what it is computed of, if nothing else reads the gate.
    fn gate(&self, _i: usize, node: &NodeProto) -> Option<usize> {
        let (at, mul) = self.sole_reader(node.output())?;
        let (x, gate) = (node.input(0)?, node.output());
        let both = mul.op == "Mul" && mul.inputs.len() == 2;
        let reads = |a: usize, b: usize| mul.input(a) == Some(x) && mul.input(b) == Some(gate);
        (both && (reads(0, 1) || reads(1, 0))).then_some(at)
    }

    /// What `Clip` does: its bounds were attributes before operator set 11.
    fn bounds(&mut self, node: &NodeProto) -> Taken<Option<Activation>> {
        let mut bounds = [node.float("min"), node.float("max")];
        for (i, bound) in bounds.iter_mut().enumerate() {
            if let Some(constant) = self.constant(node, i + 1)? {
                let one = constant.value.scalar();
                *bound = Some(one.ok_or_else(|| Reason::damaged("its bounds are no single numbers"))?);
            }
        }
        let [low, high] = [bounds[0].unwrap_or(f32::MIN).max(f32::MIN), bounds[1].unwrap_or(f32::MAX).min(f32::MAX)];
        if low.is_nan() || high.is_nan() || low > high {
            return Err(Reason::damaged(format!("its bounds are {low} and {high}")));
        }
        Ok(clip(low, high))
    }

    /// `max(x, 0) + slope min(x, 0)` with a constant slope: one for all, or one per channel.
    fn prelu(&mut self, node: &NodeProto, x: &Tensor) -> Taken<Tensor> {
        let slope = self.constant(node, 1)?.ok_or_else(|| Reason::damaged("it has no slope"))?;
        let list = slope.value.floats();
        if let Some(&first) = list.first().filter(|first| list.iter().all(|v| v == *first)) {
            return self.pointwise(x, |graph, x| graph.activation(x, Activation::LeakyRelu(first)));
        }
        let positive = self.pointwise(x, |graph, x| graph.activation(x, Activation::Relu))?;
        let minus = self.pointwise(x, |graph, x| {
            let c = graph.nodes[x].chw[0] as usize;
            let minus = graph.affine(x, &vec![-1.0; c], &vec![0.0; c]);
            graph.activation(minus, Activation::Relu)
        })?;
        let negative = self.scaled(&minus, &slope.value, |slope| (-slope, 0.0))?;
        self.sum(&positive, &negative)
    }
}

/// The activation that is `x` times this one.
fn gated(gate: Activation) -> Option<Activation> {
    let is_sixth = |alpha: f32| (alpha - 1.0 / 6.0).abs() < 1e-6;
    match gate {
        Activation::Sigmoid => Some(Activation::Silu),
        Activation::HardSigmoid { alpha, beta: 0.5 } if is_sixth(alpha) => Some(Activation::HardSwish),
        _ => None,
    }
}

/// Values kept between two bounds; `None` where there are none.
pub(super) fn clip(low: f32, high: f32) -> Option<Activation> {
    match (low, high) {
        (f32::MIN, f32::MAX) => None,
        (0.0, f32::MAX) => Some(Activation::Relu),
        (low, high) => Some(Activation::Clip { low, high }),
    }
}
