//! Quantised networks: `QuantizeLinear` and `DequantizeLinear` of activations, and onnxruntime's operators of quantised
//! tensors (`QLinearConv` and the like).
//!
//! A quantised activation is kept as the real numbers that its words stand for: quantising rounds to those
//! (`Pointwise::FakeQuantise`), and dequantising changes nothing. An operator of quantised tensors is its usual
//! self on these numbers, quantised behind.

use super::{
    super::{
        element_type::word_type,
        model::NodeProto,
        moves::is_move,
        quantisation::{INT32, parameters, range, real, unlike, word_kind},
        reasons::{Reason, Taken},
        value::{Constant, HostTensor, Numbers},
    },
    Item, Lowering,
    parameters::order_of,
    tensor::Operand,
};
use crate::{
    files::WideWords,
    kernels::{elementwise::pointwise::Pointwise, quantise::fault_dequantize::Order},
    nn::ActivationBuffer,
};
use std::rc::Rc;

/// The domain of onnxruntime's own operators.
pub(super) const RUNTIME: &str = "com.microsoft";

/// Advice where activations have a scale per channel.
const PER_TENSOR: &str = "quantise activations per tensor, as quantize_static does";

/// Operators of quantised tensors that are run.
const OPERATORS: &[&str] = &[
    "QLinearConv",
    "QLinearMatMul",
    "QGemm",
    "QLinearAdd",
    "QLinearMul",
    "QLinearSigmoid",
    "QLinearLeakyRelu",
    "QLinearGlobalAveragePool",
    "QLinearAveragePool",
    "QLinearConcat",
];

/// Whether an operator of quantised tensors is run.
pub(super) fn is_known(op: &str) -> bool {
    OPERATORS.contains(&op)
}

/// Scale, zero point and element type of a quantised activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ActivationWords {
    scale: f32,
    zero: i32,
    kind: i64,
}

impl ActivationWords {
    /// Whether words are in two's complement.
    fn is_signed(self) -> bool {
        word_type(self.kind).is_some_and(|(_, signed)| signed)
    }

    /// The real number that a word stands for.
    pub(super) fn value(self, word: f32) -> f32 {
        (word - self.zero as f32) * self.scale
    }
}

impl Lowering<'_> {
    /// The result of an operator of quantised tensors.
    pub(super) fn quantised_operator(&mut self, node: &NodeProto) -> Taken<Operand> {
        match node.op.as_str() {
            "QLinearConv" => {
                let x = self.dequantised_input(node, 0)?;
                let weights = self.words_of(node, 3, 0)?;
                let bias = self.wide_bias(node, 8, &[1, 4], 1.0)?;
                let y = self.convolved(node, x, weights, bias)?;
                self.words_behind(node, &y, 6)
            }
            "QLinearMatMul" => {
                let x = self.dequantised_input(node, 0)?;
                let weights = self.words_of(node, 3, 1)?;
                let y = self.fully_connected(node, &x, weights, Order::InOut, None)?;
                self.words_behind(node, &y, 6)
            }
            "QGemm" => self.quantised_gemm(node),
            "QLinearAdd" | "QLinearMul" => {
                let (a, b) = (self.dequantised_item(node, 0)?, self.dequantised_item(node, 3)?);
                let op = if node.op == "QLinearAdd" { "Add" } else { "Mul" };
                let y = self.combined(op, a, b)?;
                self.words_behind(node, &y, 6)
            }
            "QLinearSigmoid" | "QLinearLeakyRelu" => {
                let x = self.dequantised_input(node, 0)?;
                let y = match node.op.as_str() {
                    "QLinearSigmoid" => {
                        self.pointwise(&x, |graph, x| graph.pointwise(x, Pointwise::Sigmoid))?
                    }
                    _ => self.leaky(&x, node.float("alpha").unwrap_or(0.01))?,
                };
                self.words_behind(node, &y, 3)
            }
            "QLinearGlobalAveragePool" | "QLinearAveragePool" => {
                let x = self.dequantised_input(node, 0)?;
                if node.int("channels_last").unwrap_or(0) != 0 {
                    let what = "its images have their channels last";
                    return Err(Reason::new(what, "quantise the network before it is optimised"));
                }
                let y = match node.op.as_str() {
                    "QLinearAveragePool" => self.pooled(node, &x)?,
                    _ => self.reduced(node, x)?,
                };
                self.words_behind(node, &y, 3)
            }
            _ => {
                let mut parts = Vec::new();
                for i in (2..node.inputs.len()).step_by(3) {
                    parts.push(self.dequantised_input(node, i)?);
                }
                let y = self.joined(node, &parts)?;
                self.words_behind(node, &y, 0)
            }
        }
    }

    /// `QGemm`: `alpha A B + C` of words, quantised where it names a scale.
    fn quantised_gemm(&mut self, node: &NodeProto) -> Taken<Operand> {
        let order = order_of(node)?;
        let axis = if order == Order::OutIn { 0 } else { 1 };
        let alpha = node.float("alpha").unwrap_or(1.0);
        let x = self.dequantised_input(node, 0)?;
        let weights = self.words_of(node, 3, axis)?;
        let bias = self.wide_bias(node, 6, &[1, 4], alpha)?;
        let y = if alpha == 1.0 {
            self.fully_connected(node, &x, weights, order, bias)?
        } else {
            let x = self.scaled(&x, &scalar(alpha), |alpha| (alpha, 0.0))?;
            self.fully_connected(node, &x, weights, order, bias)?
        };
        match node.input(7) {
            None => Ok(y),
            Some(_) => self.words_behind(node, &y, 7),
        }
    }

    /// `QuantizeLinear` of an activation.
    pub(super) fn quantise(&mut self, node: &NodeProto) -> Taken<Operand> {
        let x = self.tensor(node, 0)?;
        self.words_behind(node, &x, 1)
    }

    /// `DequantizeLinear` of an activation.
    pub(super) fn dequantise(&mut self, node: &NodeProto) -> Taken<Operand> {
        self.dequantised_input(node, 0)
    }

    /// What the words of a value stand for, if it is a quantised activation.
    pub(super) fn words_in(&self, value: Option<&str>) -> Option<ActivationWords> {
        self.quantised.get(value?).copied()
    }

    /// Notes that the output of a node that only moves words, or picks some, has those of its input.
    pub(super) fn pass_words(&mut self, node: &NodeProto) {
        let passes = is_move(&node.op) || matches!(node.op.as_str(), "MaxPool" | "Dropout" | "Pad");
        if let Some(of) = self.words_in(node.input(0)).filter(|_| passes) {
            for output in &node.outputs {
                self.quantised.insert(output.clone(), of);
            }
        }
    }

    /// A tensor quantised as inputs `i` and `i + 1` of a node say, which is the node's output.
    fn words_behind(&mut self, node: &NodeProto, y: &Operand, i: usize) -> Taken<Operand> {
        let of = self.activation_words(node, i)?;
        let y = self.quantised_as(y, of)?;
        let (name, signed) = (node.output().to_owned(), of.is_signed());
        self.graph.activations.push(ActivationBuffer { node: y.node, name, signed });
        self.quantised.insert(node.output().to_owned(), of);
        Ok(y)
    }

    fn quantised_as(&mut self, x: &Operand, of: ActivationWords) -> Taken<Operand> {
        let (bits, signed) = word_type(of.kind).unwrap_or((8, false));
        let [least, most] = range(bits, signed).map(|end| (end - of.zero) as f32);
        let rounded = Pointwise::FakeQuantise { step: of.scale, least, most };
        self.pointwise(x, |graph, x| graph.pointwise(x, rounded))
    }

    /// Scale and zero point that a node reads as its inputs `i` and `i + 1`.
    fn activation_words(&mut self, node: &NodeProto, i: usize) -> Taken<ActivationWords> {
        let scale = self.needed(node, i)?;
        let zero = self.constant(node, i + 1)?;
        let kind = word_kind(node, zero.as_ref())?;
        let signed = word_type(kind).is_some_and(|(_, signed)| signed);
        let zero = zero.as_ref().map(|zero| &*zero.value);
        if scale.value.len() != 1 || zero.is_some_and(|zero| zero.len() != 1) {
            return Err(Reason::new("it quantises an activation per channel", PER_TENSOR));
        }
        let of = parameters(&[], 0, (&scale.value, zero), signed)?;
        Ok(ActivationWords { scale: of.scales[0], zero: of.zero_point(0), kind })
    }

    /// A quantised activation that a node reads as its input `i`, with scale and zero point behind it.
    fn dequantised_input(&mut self, node: &NodeProto, i: usize) -> Taken<Operand> {
        let name = node.input(i).unwrap_or_default().to_owned();
        let x = self.tensor(node, i)?;
        let here = self.activation_words(node, i + 1)?;
        let Some(made) = self.words_in(Some(&name)) else {
            let what = format!("it dequantises {name}, which nothing before it quantises");
            return Err(Reason::new(what, "give the network as quantize_static writes it"));
        };
        if node.input(i + 2).is_some() && here.kind != made.kind {
            return Err(unlike(made.kind, here.kind));
        }
        if (made.scale, made.zero) == (here.scale, here.zero) {
            return Ok(x);
        }
        // The same words under another scale stand for other numbers.
        let scale = here.scale / made.scale;
        let shift = (made.zero - here.zero) as f32 * here.scale;
        self.scaled(&x, &scalar(scale), |scale| (scale, shift))
    }

    /// The same for an input that may be constant.
    fn dequantised_item(&mut self, node: &NodeProto, i: usize) -> Taken<Item> {
        match node.input(i).map(|name| self.item(name)).transpose()? {
            Some(Item::Constant(_)) => Ok(Item::Constant(self.words_of(node, i, 1)?.1)),
            _ => self.dequantised_input(node, i).map(Item::Operand),
        }
    }

    /// Constant words that a node reads as its input `i`, with scale and zero point behind them; `axis` is that of
    /// channels where there are several scales.
    fn words_of(&mut self, node: &NodeProto, i: usize, axis: i64) -> Taken<(String, Constant)> {
        let (words, scale) = (self.needed(node, i)?, self.needed(node, i + 1)?);
        let zero = self.constant(node, i + 2)?;
        let constant = real(words, axis, (&scale.value, zero.as_ref()), &mut self.budget)?;
        Ok((node.input(i).unwrap_or_default().to_owned(), constant))
    }

    /// A bias of 32-bit words that a node reads as its input `i`: its scale is the product of those of the node's
    /// inputs `scales`, and `alpha`.
    fn wide_bias(
        &mut self,
        node: &NodeProto,
        i: usize,
        scales: &[usize],
        alpha: f32,
    ) -> Taken<Option<(String, Constant)>> {
        let Some(bias) = self.constant(node, i)? else { return Ok(None) };
        let Some(words) = bias.value.as_ints() else {
            return Err(Reason::damaged("its bias is no list of integers"));
        };
        let mut of = vec![f64::from(alpha); words.len()];
        for &at in scales {
            let scale = self.constant(node, at)?.map(|scale| scale.value.floats().into_owned());
            let scale = scale.unwrap_or_default();
            if scale.len() != 1 && scale.len() != of.len() {
                return Err(Reason::damaged(format!(
                    "it has {} scales for {} outputs",
                    scale.len(),
                    of.len()
                )));
            }
            for (k, of) in of.iter_mut().enumerate() {
                *of *= f64::from(scale[if scale.len() == 1 { 0 } else { k }]);
            }
        }
        let data = words.iter().zip(&of);
        let data = data.map(|(&word, scale)| (word as f64 * scale) as f32).collect();
        let as_stored = bias.stored.is_some() && bias.changed.is_empty();
        let wide: Option<Vec<i32>> = words.iter().map(|&word| i32::try_from(word).ok()).collect();
        let wide = wide.filter(|_| as_stored && bias.kind == Some(INT32));
        let wide = wide.map(|words| Rc::new(WideWords { words, scales: of, twice: false }));
        let value = HostTensor { dims: bias.value.dims.clone(), data: Numbers::Floats(data) };
        let bias = Constant { value: Rc::new(value), wide, ..bias };
        Ok(Some((node.input(i).unwrap_or_default().to_owned(), bias)))
    }
}

/// A single number as a constant.
fn scalar(value: f32) -> HostTensor {
    HostTensor { dims: Vec::new(), data: Numbers::Floats(vec![value]) }
}
