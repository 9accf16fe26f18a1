//! Convolutions, fully connected layers and batch norms.

use super::{
    super::{
        model::NodeProto,
        moves::Move,
        reasons::{Reason, SIZES, Taken},
        value::{Constant, HostTensor},
    },
    Lowering,
    parameters::order_of,
    tensor::{Operand, small},
    window::{Sliding, pair},
};
use crate::{kernels::quantise::fault_dequantize::Order, nn::ParamNames};
use std::rc::Rc;

/// Rows and columns of the kernel that weights `[_, _, R, S]` or `[_, _, S]` have.
fn kernel(node: &NodeProto, weights: &[usize]) -> Taken<([usize; 2], bool)> {
    let (kernel, sequence) = match *weights {
        [_, _, s] => ([1, s], true),
        [_, _, r, s] => ([r, s], false),
        _ => {
            let what = format!("its weights are {weights:?}");
            return Err(Reason::new(
                what,
                "convolutions over images and over sequences can be run",
            ));
        }
    };
    let given = node.ints("kernel_shape").is_some_and(|list| !list.is_empty());
    let named = pair(node, "kernel_shape", 1, sequence)?;
    if given && named != kernel {
        return Err(Reason::damaged("its kernel_shape is not that of its weights"));
    }
    Ok((kernel, sequence))
}

/// Rows and columns of an image `[C, H, W]` or a sequence `[C, L]`.
pub(super) fn rows_and_columns(dims: &[usize], sequence: bool) -> Taken<[usize; 2]> {
    match (dims, sequence) {
        (&[_, h, w], false) => Ok([h, w]),
        (&[_, l], true) => Ok([1, l]),
        _ => {
            let what = format!("its input is {dims:?} per image");
            Err(Reason::new(
                what,
                "images with channels, rows and columns, or sequences, can be run",
            ))
        }
    }
}

impl Lowering<'_> {
    fn groups(node: &NodeProto) -> Taken<usize> {
        let groups =
            usize::try_from(node.int("group").unwrap_or(1)).ok().filter(|&groups| groups > 0);
        groups.ok_or_else(|| Reason::damaged("its group is no number of groups"))
    }

    fn weights_of(&mut self, node: &NodeProto) -> Taken<(String, Constant)> {
        let name = node.input(1).unwrap_or_default().to_owned();
        let constant = self.constant(node, 1)?;
        Ok((name, constant.ok_or_else(|| Reason::damaged("it has no weights"))?))
    }

    /// The bias that a node reads as its input `i`, with its name.
    fn bias_of(&mut self, node: &NodeProto, i: usize) -> Taken<Option<(String, Constant)>> {
        let bias = self.constant(node, i)?;
        Ok(bias.map(|bias| (node.input(i).unwrap_or_default().to_owned(), bias)))
    }

    /// The name of the parameter that a bias of `k` numbers becomes.
    fn with_bias(
        &mut self,
        node: &NodeProto,
        bias: Option<(String, Constant)>,
        k: usize,
    ) -> Taken<Option<String>> {
        bias.map(|(name, bias)| self.parameter(node, (&name, &bias), &[k])).transpose()
    }

    /// `Conv`.
    pub(super) fn convolution(&mut self, node: &NodeProto) -> Taken<Operand> {
        let (x, weights) = (self.tensor(node, 0)?, self.weights_of(node)?);
        let bias = self.bias_of(node, 2)?;
        self.convolved(node, x, weights, bias)
    }

    /// A tensor convolved as the attributes of a node say.
    pub(super) fn convolved(
        &mut self,
        node: &NodeProto,
        x: Operand,
        (input, weight): (String, Constant),
        bias: Option<(String, Constant)>,
    ) -> Taken<Operand> {
        let (kernel, sequence) = kernel(node, &weight.value.dims)?;
        let image = rows_and_columns(&x.dims, sequence)?;
        let window = Sliding::of(node, kernel, sequence)?;
        let (k, groups) = (weight.value.dims[0], Self::groups(node)?);
        let fits = x.dims[0] == weight.value.dims[1].saturating_mul(groups)
            && k.is_multiple_of(groups)
            && k > 0;
        if !fits {
            let (channels, dims) = (x.dims[0], &weight.value.dims);
            let what =
                format!("its weights {dims:?} in {groups} groups do not fit {channels} channels");
            return Err(Reason::new(what, SIZES));
        }
        // Zeros of a Pad in front become the convolution's own.
        let over = window.over(image, x.frame)?;
        let inner = match x.frame {
            [0, 0, 0, 0] => x,
            [top, left, bottom, right] => {
                let dims = vec![x.dims[0], x.dims[1] - top - bottom, x.dims[2] - left - right];
                Operand { dims, frame: [0; 4], ..x }
            }
        };
        let shape = [k, weight.value.dims[1], kernel[0], kernel[1]];
        let source = self.image(&inner)?;
        let weight = self.weight(node, (&input, &weight), (&shape, Order::OutIn))?;
        let bias = self.with_bias(node, bias, k)?;
        let names = ParamNames { weight: &weight, bias: bias.as_deref() };
        let dilation = [small(window.dilation[0])?, small(window.dilation[1])?];
        let y = self.graph.convolution(source, names, small(k)?, over, small(groups)?, dilation)?;
        Ok(self.image_of(y, sequence))
    }

    /// `ConvTranspose`.
    pub(super) fn transposed_convolution(&mut self, node: &NodeProto) -> Taken<Operand> {
        let x = self.tensor(node, 0)?;
        let x = self.unframed(&x)?;
        let (input, weight) = self.weights_of(node)?;
        let (kernel, sequence) = kernel(node, &weight.value.dims)?;
        let image = rows_and_columns(&x.dims, sequence)?;
        let window = Sliding::of(node, kernel, sequence)?;
        let groups = Self::groups(node)?;
        if groups != 1 {
            let what = format!("it transposes in {groups} groups");
            return Err(Reason::new(what, "transposed convolutions in one group can be run"));
        }
        let k = weight.value.dims[1];
        if x.dims[0] != weight.value.dims[0] || k == 0 {
            let (channels, dims) = (x.dims[0], &weight.value.dims);
            let what = format!("its weights {dims:?} do not fit {channels} channels");
            return Err(Reason::new(what, SIZES));
        }
        let mut extra = pair(node, "output_padding", 0, sequence)?;
        let mut wanted = pair(node, "output_shape", 0, sequence)?;
        if sequence {
            (extra[0], wanted[0]) = (0, 1);
        }
        let wanted = node.ints("output_shape").filter(|list| !list.is_empty()).map(|_| wanted);
        let (over, output) = window.transposed(image, extra, wanted)?;
        let shape = [x.dims[0], weight.value.dims[1], kernel[0], kernel[1]];
        let source = self.image(&x)?;
        let weight = self.weight(node, (&input, &weight), (&shape, Order::InOut))?;
        let bias = self.bias_of(node, 2)?;
        let bias = self.with_bias(node, bias, k)?;
        let names = ParamNames { weight: &weight, bias: bias.as_deref() };
        let dilation = [small(window.dilation[0])?, small(window.dilation[1])?];
        let y =
            self.graph.transposed_convolution(source, names, small(k)?, over, dilation, output)?;
        Ok(self.image_of(y, sequence))
    }

    /// All of a node as an image, or as the sequence that it is.
    pub(super) fn image_of(&self, node: usize, sequence: bool) -> Operand {
        let [c, h, w] = self.graph.nodes[node].chw.map(|n| n as usize);
        Operand::new(node, if sequence { vec![c, w] } else { vec![c, h, w] })
    }

    /// `Gemm`: `alpha x W + beta b`.
    pub(super) fn gemm(&mut self, node: &NodeProto) -> Taken<Operand> {
        let order = order_of(node)?;
        let (alpha, beta) = (node.float("alpha").unwrap_or(1.0), node.float("beta").unwrap_or(1.0));
        let x = self.tensor(node, 0)?;
        let weights = self.weights_of(node)?;
        let bias = self.constant(node, 2)?.filter(|_| beta != 0.0);
        let bias = bias.map(|bias| (node.input(2).unwrap_or_default().to_owned(), bias));
        if alpha == 1.0 && beta == 1.0 {
            return self.fully_connected(node, &x, weights, order, bias);
        }
        let y = self.fully_connected(node, &x, weights, order, None)?;
        let k = y.len();
        let shift = match &bias {
            None => vec![0.0; k],
            Some((_, bias)) => per_output(bias, k)?.iter().map(|b| beta * b).collect(),
        };
        self.pointwise(&y, |graph, y| graph.affine(y, &vec![alpha; k], &shift))
    }

    /// `MatMul` by constant weights, with the `Add` of a bias right behind it.
    pub(super) fn matrix_product(&mut self, node: &NodeProto) -> Taken<Operand> {
        let x = self.tensor(node, 0).map_err(|_| {
            let what = "the left of its inputs does not depend on the image, or both do";
            Reason::new(what, "attention is not computed: use a convolutional network")
        })?;
        let weights = match node.input(1).map(|name| self.item(name)).transpose()? {
            Some(super::Item::Constant(_)) => self.weights_of(node)?,
            _ => {
                let advice = "attention is not computed: use a convolutional network";
                return Err(Reason::new("both of its inputs depend on the image", advice));
            }
        };
        let k = weights.1.value.dims.last().copied().unwrap_or(0);
        let behind = self.sole_reader(node.output()).filter(|(_, add)| add.op == "Add");
        let mut bias = None;
        if let Some((at, add)) = behind {
            let other = add.inputs.iter().find(|name| *name != node.output());
            if let Some((name, super::Item::Constant(constant))) =
                other.and_then(|name| Some((name, self.item(name).ok()?)))
                && constant.value.len() == k
                && constant.value.dims.last() == Some(&k)
                && constant.value.dims.len() <= x.dims.len() + 1
            {
                bias = Some((at, name.clone(), constant));
            }
        }
        let fused = bias.as_ref().map(|(at, ..)| *at);
        let bias = bias.map(|(_, name, constant)| (name, constant));
        let y = self.fully_connected(node, &x, weights, Order::InOut, bias)?;
        if let Some(at) = fused {
            self.fuse(at, &y);
        }
        Ok(y)
    }

    /// A tensor times a matrix of weights, plus a bias.
    pub(super) fn fully_connected(
        &mut self,
        node: &NodeProto,
        x: &Operand,
        (input, mut weight): (String, Constant),
        mut order: Order,
        bias: Option<(String, Constant)>,
    ) -> Taken<Operand> {
        let (features, leading) = match x.dims.split_last() {
            Some((&features, leading)) => (features, leading.to_vec()),
            None => (1, Vec::new()),
        };
        if leading.iter().any(|&n| n != 1) {
            let what = format!("it works along the last axis of {:?} per image", x.dims);
            let advice = "fully connected layers behind Flatten can be run, and 1x1 convolutions";
            return Err(Reason::new(what, advice));
        }
        // Weights that are stored transposed are taken as they are stored: faults hit those words.
        if weight.changed == ["Transpose"] && weight.value.dims.len() == 2 {
            let back = weight.value.moved(&Move::Transpose(vec![1, 0]));
            weight = Constant { value: Rc::new(back), changed: Vec::new(), ..weight };
            order = if order == Order::InOut { Order::OutIn } else { Order::InOut };
        }
        let (inputs, k) = match (&weight.value.dims[..], order) {
            (&[k, inputs], Order::OutIn) | (&[inputs, k], Order::InOut) => (inputs, k),
            (dims, _) => {
                return Err(Reason::new(
                    format!("its weights are {dims:?}"),
                    "two axes are needed",
                ));
            }
        };
        if inputs != features || k == 0 {
            let what = format!("its weights take {inputs} numbers, and its input has {features}");
            return Err(Reason::new(what, SIZES));
        }
        let vector = [small(features)?, 1, 1];
        let source = match order {
            // Stored [K, C H W] fits the image itself, without a move.
            Order::OutIn if x.is_plain() => x.node,
            _ => self.as_chw(x, vector)?,
        };
        let shape = weight.value.dims.clone();
        let weight = self.weight(node, (&input, &weight), (&shape, order))?;
        let bias = match bias {
            None => None,
            Some((input, bias)) => {
                let value = HostTensor {
                    dims: vec![k],
                    data: super::super::value::Numbers::Floats(per_output(&bias, k)?),
                };
                let bias = Constant { value: Rc::new(value), ..bias };
                Some(self.parameter(node, (&input, &bias), &[k])?)
            }
        };
        let names = ParamNames { weight: &weight, bias: bias.as_deref() };
        let y = self.graph.fully_connected(source, names, small(k)?, order)?;
        Ok(Operand::new(y, [leading, vec![k]].concat()))
    }

    /// `BatchNormalization` with running statistics.
    pub(super) fn batch_norm(&mut self, node: &NodeProto) -> Taken<Operand> {
        let training = node.int("training_mode") == Some(1);
        if training || node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
            let what = "it computes statistics of the batch";
            return Err(Reason::new(
                what,
                "export the network for inference: model.eval() before torch.onnx.export",
            ));
        }
        if node.int("spatial") == Some(0) {
            return Err(Reason::new(
                "it normalises each pixel by itself (spatial 0)",
                super::unsupported::REPLACE,
            ));
        }
        let x = self.tensor(node, 0)?;
        let c = x.dims.first().copied().unwrap_or(0);
        let source = match x.dims.len() {
            1 => self.as_chw(&x, [small(c)?, 1, 1])?,
            _ => self.image(&x)?,
        };
        let mut names = Vec::new();
        for i in 1..5 {
            let constant = self.needed(node, i)?;
            names.push((node.input(i).unwrap_or_default(), constant));
        }
        let variance = names[3].1.value.floats();
        if let Some(i) = variance.iter().position(|&v| v < 0.0) {
            let what = format!("element {i} of its variance is {}", variance[i]);
            return Err(Reason::damaged(what));
        }
        let parameters = names
            .iter()
            .map(|(name, constant)| self.parameter(node, (name, constant), &[c]))
            .collect::<Taken<Vec<_>>>()?;
        let [gamma, beta, mean, var] = &parameters[..] else {
            return Err(Reason::damaged("it lacks inputs"));
        };
        let eps = node.float("epsilon").unwrap_or(1e-5);
        let y = self.graph.norm(source, [gamma, beta, mean, var], eps);
        Ok(Operand::new(y, x.dims))
    }
}

/// One number per output of a bias that may be a single one.
fn per_output(bias: &Constant, k: usize) -> Taken<Vec<f32>> {
    let list = bias.value.floats();
    match list.len() {
        1 => Ok(vec![list[0]; k]),
        n if n == k => Ok(list.into_owned()),
        _ => Err(Reason::damaged(format!("its bias is {:?} for {k} outputs", bias.value.dims))),
    }
}
