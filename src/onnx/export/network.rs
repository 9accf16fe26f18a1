//! One of our networks as nodes of ONNX: every operation of a graph, its weights as they are stored.

use super::message::{AttributeValue, Message, floats, integers, ints, node};
use crate::{
    error::{Error, Result},
    fault::{dequantize, quantize},
    files::Weights,
    kernels::{
        elementwise::pointwise::Pointwise,
        layout::{gather2d::Gather, rearrange::FILL},
        pool::window::Divisor,
        quantise::fault_dequantize::Order,
    },
    nn::{Graph, NodeId, Op, Role},
    shape::Window,
};

/// Nodes and stored tensors, whose names all begin in the same way.
pub(super) struct Nodes<'a> {
    pub(super) prefix: &'a str,
    pub(super) nodes: Vec<Message>,
    pub(super) tensors: Vec<Message>,
    /// Number of values that were named.
    count: usize,
}

/// A value: its name, and whether it is `[N, C]` instead of `[N, C, H, W]`.
#[derive(Clone)]
struct OnnxValue {
    name: String,
    flat: bool,
}

impl<'a> Nodes<'a> {
    pub(super) fn new(prefix: &'a str) -> Self {
        Self { prefix, nodes: Vec::new(), tensors: Vec::new(), count: 0 }
    }

    pub(super) fn name(&mut self, op: &str) -> String {
        self.count += 1;
        format!("{}{op}_{}", self.prefix, self.count)
    }

    /// Appends a node and returns the name of its output.
    pub(super) fn push(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, AttributeValue)],
    ) -> String {
        let output = self.name(op);
        self.push_to(&output, op, inputs, attributes);
        output
    }

    /// Appends a node whose output has a name.
    pub(super) fn push_to(
        &mut self,
        output: &str,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, AttributeValue)],
    ) {
        self.nodes.push(node(op, inputs, output, attributes));
    }

    /// Stores numbers and returns their name.
    pub(super) fn constant(&mut self, dims: &[u32], values: &[f32]) -> String {
        let name = self.name("constant");
        let dims: Vec<i64> = dims.iter().map(|&dim| dim.into()).collect();
        self.tensors.push(floats(&name, &dims, values));
        name
    }

    pub(super) fn indices(&mut self, values: &[i64]) -> String {
        let name = self.name("indices");
        self.tensors.push(integers(&name, values));
        name
    }

    /// `x scale + shift` per channel of images.
    pub(super) fn affine(&mut self, x: &str, scale: &[f32], shift: &[f32]) -> String {
        let dims = [scale.len() as u32, 1, 1];
        let (scale, shift) = (self.constant(&dims, scale), self.constant(&dims, shift));
        let product = self.push("Mul", &[x, &scale], &[]);
        self.push("Add", &[&product, &shift], &[])
    }

    /// Appends a network behind the value `x`; returns the name of its output, which is `[N, C, H, W]`, or `[N, C]`
    /// behind a fully connected layer. Its layers' weights are those that `bits` can store.
    ///
    /// # Errors
    /// Tensors are missing, or cannot be quantised.
    pub(super) fn network(
        &mut self,
        graph: &Graph,
        weights: &Weights,
        bits: u32,
        x: &str,
    ) -> Result<String> {
        let parameters = self.parameters(graph, weights, bits)?;
        let mut values = vec![OnnxValue { name: x.to_owned(), flat: false }];
        for node in 1..graph.nodes.len() {
            let value = self.node(graph, node, &values, &parameters)?;
            values.push(value);
        }
        values
            .pop()
            .map(|value| value.name)
            .ok_or_else(|| Error::Shape("a network of nothing".into()))
    }

    /// Stores the parameters of a network; returns their names.
    fn parameters(&mut self, graph: &Graph, weights: &Weights, bits: u32) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for param in &graph.params {
            let tensor = weights.get(&param.name, &param.shape)?;
            let dims: Vec<i64> = param.shape.iter().map(|&n| n as i64).collect();
            let name = format!("{}{}", self.prefix, param.name);
            self.tensors.push(match param.role {
                // Words of a file stand for these numbers already.
                Role::Weight if weights.words.contains_key(&param.name) => {
                    floats(&name, &dims, &tensor.data)
                }
                Role::Weight => floats(&name, &dims, &dequantize(&quantize(&tensor.data, bits)?)),
                // Every image of a batch gets the learned one.
                Role::Image => floats(&name, &[&[1], &dims[..]].concat(), &tensor.data),
                _ => floats(&name, &dims, &tensor.data),
            });
            names.push(name);
        }
        Ok(names)
    }

    fn node(
        &mut self,
        graph: &Graph,
        id: NodeId,
        values: &[OnnxValue],
        parameters: &[String],
    ) -> Result<OnnxValue> {
        let node = &graph.nodes[id];
        let [c, h, w] = node.chw;
        let from = node.inputs.first().copied().unwrap_or(0);
        let x = &values[from];
        // These work on every element or channel alike.
        let same = |name: String| OnnxValue { name, flat: x.flat };
        let any_shape = match &node.op {
            Op::Relu => Some(self.push("Relu", &[&x.name], &[])),
            Op::Tanh => Some(self.push("Tanh", &[&x.name], &[])),
            Op::LeakyRelu(slope) => {
                let alpha = [("alpha", AttributeValue::Float(*slope))];
                Some(self.push("LeakyRelu", &[&x.name], &alpha))
            }
            Op::Pointwise(function) => Some(self.pointwise(*function, &x.name)),
            Op::Dropout(_) => Some(x.name.clone()),
            Op::BatchNorm(norm) => {
                let norm = graph.norms[*norm];
                let of = [norm.gamma, norm.beta(), norm.mean(), norm.var()];
                let [gamma, beta, mean, var] = of.map(|param| &parameters[param][..]);
                let epsilon = [("epsilon", AttributeValue::Float(norm.eps))];
                Some(self.push("BatchNormalization", &[&x.name, gamma, beta, mean, var], &epsilon))
            }
            _ => None,
        };
        if let Some(name) = any_shape {
            return Ok(same(name));
        }
        if let Op::Linear { layer } = node.op {
            let flat = if x.flat { x.name.clone() } else { self.push("Flatten", &[&x.name], &[]) };
            let layer = graph.layers[layer];
            let mut inputs = vec![&flat[..], &parameters[layer.weight]];
            inputs.extend(layer.bias.map(|bias| &parameters[bias][..]));
            let stored = i64::from(layer.order == Order::OutIn);
            let name = self.push("Gemm", &inputs, &[("transB", AttributeValue::Int(stored))]);
            return Ok(OnnxValue { name, flat: true });
        }
        let inputs: Vec<String> = node
            .inputs
            .iter()
            .map(|&input| self.image(&values[input], graph.nodes[input].chw))
            .collect();
        let x = inputs.first().map_or("", String::as_str);
        let pair = |inputs: &[String]| match inputs {
            [a, b] => Ok([a.clone(), b.clone()]),
            _ => Err(Error::Shape(format!("node {id} has no two inputs"))),
        };
        let name = match &node.op {
            Op::Conv { layer, window, transposed, dilation } => {
                let layer = graph.layers[*layer];
                let mut bound = vec![x, &parameters[layer.weight]];
                bound.extend(layer.bias.map(|bias| &parameters[bias][..]));
                let mut attributes = of_window(*window, window.after);
                attributes.push(("dilations", ints(*dilation)));
                attributes.push(("group", AttributeValue::Int(layer.groups.into())));
                if *transposed {
                    let from = graph.nodes[from].chw;
                    attributes.push(output_padding(*window, *dilation, from, node.chw));
                    self.push("ConvTranspose", &bound, &attributes)
                } else {
                    self.push("Conv", &bound, &attributes)
                }
            }
            Op::MaxPool(window) => self.push("MaxPool", &[x], &of_window(*window, window.after)),
            Op::AvgPool(window, divisor) => {
                let (after, counted) = match divisor {
                    Divisor::Window => (window.after, 1),
                    Divisor::Image => (window.after, 0),
                    Divisor::Padded(after) => (*after, 1),
                };
                let mut attributes = of_window(*window, after);
                attributes.push(("count_include_pad", AttributeValue::Int(counted)));
                if matches!(divisor, Divisor::Padded(_)) {
                    attributes.push(("ceil_mode", AttributeValue::Int(1)));
                }
                self.push("AveragePool", &[x], &attributes)
            }
            Op::Upsample(factor) => self.upsample(*factor, x),
            Op::Concat => {
                let [a, b] = pair(&inputs)?;
                self.push("Concat", &[&a, &b], &[("axis", AttributeValue::Int(1))])
            }
            Op::Add => {
                let [a, b] = pair(&inputs)?;
                self.push("Add", &[&a, &b], &[])
            }
            Op::Multiply => {
                let [a, b] = pair(&inputs)?;
                self.push("Mul", &[&a, &b], &[])
            }
            Op::Affine { scale, shift } => self.affine(x, scale, shift),
            Op::Gather(gather) => self.gather(*gather, graph.nodes[from].chw, node.chw, x)?,
            Op::Rearrange { table, fill } => {
                let len = graph.nodes[from].chw.iter().product::<u32>();
                let flat = self.push("Flatten", &[x], &[]);
                // Each place without a source takes an element of its own behind the real ones, so that no
                // element is taken twice and the file can be read here too.
                let mut end = i64::from(len);
                let mut next = || {
                    end += 1;
                    end - 1
                };
                let at = |&from: &u32| if from == FILL { next() } else { i64::from(from) };
                let places: Vec<i64> = table.iter().map(at).collect();
                let pads = self.indices(&[0, 0, 0, end - i64::from(len)]);
                let value = self.constant(&[], &[*fill]);
                let padded = self.push("Pad", &[&flat, &pads, &value], &[]);
                let table = self.indices(&places);
                let taken =
                    self.push("Gather", &[&padded, &table], &[("axis", AttributeValue::Int(1))]);
                self.reshaped(&taken, node.chw)
            }
            Op::LearnedImage(param) => {
                // All images of a batch, each of which is lost.
                let zero = self.constant(&[], &[0.0]);
                let zeros = self.push("Mul", &[x, &zero], &[]);
                self.push("Add", &[&zeros, &parameters[*param]], &[])
            }
            op => return Err(Error::Shape(format!("{op:?} as a node {c}x{h}x{w}"))),
        };
        Ok(OnnxValue { name, flat: false })
    }

    /// The name of a value as `[N, C, H, W]`.
    fn image(&mut self, value: &OnnxValue, chw: [u32; 3]) -> String {
        if value.flat { self.reshaped(&value.name, chw) } else { value.name.clone() }
    }

    fn reshaped(&mut self, x: &str, chw: [u32; 3]) -> String {
        let shape = self.indices(&[-1, chw[0].into(), chw[1].into(), chw[2].into()]);
        self.push("Reshape", &[x, &shape], &[])
    }

    /// Nearest-neighbour enlargement.
    pub(super) fn upsample(&mut self, factor: u32, x: &str) -> String {
        let by = factor as f32;
        let (roi, scales) = (self.constant(&[0], &[]), self.constant(&[4], &[1.0, 1.0, by, by]));
        let attributes = [
            ("mode", AttributeValue::Text("nearest")),
            ("coordinate_transformation_mode", AttributeValue::Text("asymmetric")),
            ("nearest_mode", AttributeValue::Text("floor")),
        ];
        self.push("Resize", &[x, &roi, &scales], &attributes)
    }

    fn pointwise(&mut self, function: Pointwise, x: &str) -> String {
        match function {
            Pointwise::Clip { low, high } => {
                let low = self.constant(&[], &[low]);
                let high = self.constant(&[], &[high]);
                self.push("Clip", &[x, &low, &high], &[])
            }
            Pointwise::Sigmoid => self.push("Sigmoid", &[x], &[]),
            Pointwise::HardSigmoid { alpha, beta } => self.push(
                "HardSigmoid",
                &[x],
                &[("alpha", AttributeValue::Float(alpha)), ("beta", AttributeValue::Float(beta))],
            ),
            Pointwise::HardSwish => {
                let third = Pointwise::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 };
                let gate = self.pointwise(third, x);
                self.push("Mul", &[x, &gate], &[])
            }
            Pointwise::Silu => {
                let gate = self.push("Sigmoid", &[x], &[]);
                self.push("Mul", &[x, &gate], &[])
            }
            // Spelled out, because a range of its own is no type of a word that ONNX knows.
            Pointwise::FakeQuantise { step, least, most } => {
                let step = self.constant(&[], &[step]);
                let (least, most) = (self.constant(&[], &[least]), self.constant(&[], &[most]));
                let steps = self.push("Div", &[x, &step], &[]);
                let steps = self.push("Round", &[&steps], &[]);
                let steps = self.push("Clip", &[&steps, &least, &most], &[]);
                self.push("Mul", &[&steps, &step], &[])
            }
        }
    }

    /// Padding, cropping, subsampling and channel slices.
    pub(super) fn gather(
        &mut self,
        gather: Gather,
        [xc, xh, xw]: [u32; 3],
        [yc, yh, yw]: [u32; 3],
        x: &str,
    ) -> Result<String> {
        if gather.div != 1 {
            return Err(Error::Shape(format!("{gather:?} as nodes")));
        }
        let axes = [
            (gather.channel_offset, 1, xc, yc),
            (gather.offset, gather.mul, xh, yh),
            (gather.offset, gather.mul, xw, yw),
        ]
        .map(|(offset, step, input, output)| {
            let (offset, step) = (i64::from(offset), i64::from(step));
            let last = (i64::from(output) - 1) * step + offset;
            let [before, after] = [(-offset).max(0), (last + 1 - i64::from(input)).max(0)];
            // Of the padded axis: the first element, and the end.
            let start = offset + before;
            (before, after, start, start + (i64::from(output) - 1) * step + 1, step)
        });
        let mut name = x.to_owned();
        if axes.iter().any(|&(before, after, ..)| before + after > 0) {
            let before = axes.iter().map(|axis| axis.0);
            let pads: Vec<i64> = [0]
                .into_iter()
                .chain(before)
                .chain([0])
                .chain(axes.iter().map(|axis| axis.1))
                .collect();
            let pads = self.indices(&pads);
            name = self.push("Pad", &[&name, &pads], &[]);
        }
        let cut = |&(before, after, start, end, step): &(i64, i64, i64, i64, i64), input: u32| {
            start > 0 || step > 1 || end < i64::from(input) + before + after
        };
        if axes.iter().zip([xc, xh, xw]).any(|(axis, input)| cut(axis, input)) {
            let [starts, ends, steps] =
                [axes.map(|axis| axis.2), axes.map(|axis| axis.3), axes.map(|axis| axis.4)]
                    .map(|values| self.indices(&values));
            let of = self.indices(&[1, 2, 3]);
            name = self.push("Slice", &[&name, &starts, &ends, &of, &steps], &[]);
        }
        Ok(name)
    }
}

/// What a transposed convolution has to add to the size of its output.
pub(super) fn output_padding(
    window: Window,
    dilation: [u32; 2],
    [_, xh, xw]: [u32; 3],
    [_, h, w]: [u32; 3],
) -> (&'static str, AttributeValue) {
    let left = |i: usize, input: u32, output: u32| {
        let reach = (window.kernel[i] - 1) * dilation[i] + 1;
        let whole = (input - 1) * window.stride[i] + reach;
        output + window.before[i] + window.after[i] - whole
    };
    ("output_padding", ints([left(0, xh, h), left(1, xw, w)]))
}

pub(super) fn of_window(window: Window, after: [u32; 2]) -> Vec<(&'static str, AttributeValue)> {
    let ([top, left], [bottom, right]) = (window.before, after);
    vec![
        ("kernel_shape", ints(window.kernel)),
        ("strides", ints(window.stride)),
        ("pads", ints([top, left, bottom, right])),
    ]
}
