//! Building a network layer by layer: the methods of [`Graph`] that are named after layers.

use super::graph::{EPS, Graph, Layer, Node, NodeId, Norm, Op, Param, Role};
use crate::{
    error::{Error, Result},
    kernels::{
        conv::conv2d::Conv2d,
        elementwise::pointwise::Pointwise,
        layout::{gather2d::Gather, rearrange},
        pool::{avg_pool, max_pool, window::Divisor},
        quantise::fault_dequantize::Order,
    },
    shape::{Rsck, Window},
};

/// Names of the tensors of a convolution or fully connected layer.
#[derive(Clone, Copy, Debug)]
pub struct ParamNames<'a> {
    /// The weights'.
    pub weight: &'a str,
    /// The bias's, if there is one.
    pub bias: Option<&'a str>,
}

impl Graph {
    fn push(&mut self, op: Op, inputs: &[NodeId], chw: [u32; 3]) -> NodeId {
        self.nodes.push(Node { op, inputs: inputs.to_vec(), chw });
        self.output()
    }

    fn param(&mut self, name: String, shape: &[u32], role: Role) -> usize {
        let shape = shape.iter().map(|&extent| extent as usize).collect();
        self.params.push(Param { name, shape, role });
        self.params.len() - 1
    }

    fn layer(
        &mut self,
        names: ParamNames<'_>,
        shape: Rsck,
        order: Order,
        groups: u32,
        stored: &[u32],
    ) -> usize {
        let weight = self.param(names.weight.to_owned(), stored, Role::Weight);
        let bias = names.bias.map(|name| self.param(name.to_owned(), &[shape.k], Role::Bias));
        self.layers.push(Layer { weight, bias, shape, order, groups });
        self.layers.len() - 1
    }

    /// `x * scale + shift` per channel, constants.
    pub fn affine(&mut self, x: NodeId, scale: &[f32], shift: &[f32]) -> NodeId {
        let chw = self.nodes[x].chw;
        self.push(Op::Affine { scale: scale.to_vec(), shift: shift.to_vec() }, &[x], chw)
    }

    /// A convolution with `k` output channels.
    pub fn conv(
        &mut self,
        x: NodeId,
        name: &str,
        k: u32,
        window: Window,
        bias: bool,
    ) -> Result<NodeId> {
        let [weight, of_bias] = ["weight", "bias"].map(|part| format!("{name}.{part}"));
        let names = ParamNames { weight: &weight, bias: bias.then_some(&of_bias) };
        self.convolution(x, names, k, window, 1, [1; 2])
    }

    /// A convolution with `k` output channels in groups, its taps `dilation` rows and columns apart; the weights are
    /// stored as `[K, C / groups, R, S]`.
    ///
    /// # Errors
    /// The window does not fit, or the groups do not divide the channels.
    pub fn convolution(
        &mut self,
        x: NodeId,
        names: ParamNames<'_>,
        k: u32,
        window: Window,
        groups: u32,
        dilation: [u32; 2],
    ) -> Result<NodeId> {
        let conv = Conv2d::grouped(self.shape(x, 1), k, window, groups, dilation)?;
        let shape = conv.weights();
        let Rsck { r, s, c, .. } = shape;
        let layer = self.layer(names, shape, Order::OutIn, groups, &[k, c, r, s]);
        let op = Op::Conv { layer, window, transposed: false, dilation };
        Ok(self.push(op, &[x], [k, conv.y.h, conv.y.w]))
    }

    /// A transposed convolution with `k` output channels.
    pub fn conv_transpose(
        &mut self,
        x: NodeId,
        name: &str,
        k: u32,
        window: Window,
        bias: bool,
    ) -> Result<NodeId> {
        let [_, h, w] = self.nodes[x].chw;
        let output = window.transposed_output(h, w)?;
        let [weight, of_bias] = ["weight", "bias"].map(|part| format!("{name}.{part}"));
        let names = ParamNames { weight: &weight, bias: bias.then_some(&of_bias) };
        self.transposed_convolution(x, names, k, window, [1; 2], output)
    }

    /// A transposed convolution with `k` output channels and images of `output` pixels, its taps `dilation` rows and columns
    /// apart; the weights are stored as `[C, K, R, S]`.
    ///
    /// # Errors
    /// The window does not take the output's pixels to the input's.
    pub fn transposed_convolution(
        &mut self,
        x: NodeId,
        names: ParamNames<'_>,
        k: u32,
        window: Window,
        dilation: [u32; 2],
        output: [u32; 2],
    ) -> Result<NodeId> {
        let ([c, ..], [r, s]) = (self.nodes[x].chw, window.kernel);
        Conv2d::transposed_to(self.shape(x, 1), [k, output[0], output[1]], window, dilation)?;
        let shape = Rsck::new(r, s, c, k);
        let layer = self.layer(names, shape, Order::InOut, 1, &[c, k, r, s]);
        let op = Op::Conv { layer, window, transposed: true, dilation };
        Ok(self.push(op, &[x], [k, output[0], output[1]]))
    }

    /// A fully connected layer with bias, on all pixels and channels of its input (in PyTorch's order:
    /// the stored `[K, C H W]` is that of a convolution `[K, C, H, W]`).
    pub fn linear(&mut self, x: NodeId, name: &str, k: u32) -> Result<NodeId> {
        let [weight, bias] = ["weight", "bias"].map(|part| format!("{name}.{part}"));
        let names = ParamNames { weight: &weight, bias: Some(&bias) };
        self.fully_connected(x, names, k, Order::OutIn)
    }

    /// A fully connected layer on all pixels and channels of its input, in PyTorch's order; the weights are stored as
    /// `[K, C H W]`, or as `[C H W, K]` with [`Order::InOut`].
    ///
    /// # Errors
    /// More weights than 32-bit indices reach.
    pub fn fully_connected(
        &mut self,
        x: NodeId,
        names: ParamNames<'_>,
        k: u32,
        order: Order,
    ) -> Result<NodeId> {
        let [c, h, w] = self.nodes[x].chw;
        let inputs = [c, h, w].iter().try_fold(1u32, |product, &n| product.checked_mul(n));
        let Some(inputs) = inputs.filter(|n| n.checked_mul(k).is_some_and(|len| len > 0)) else {
            let what = format!("{k} outputs of {} on {c}x{h}x{w}", names.weight);
            return Err(Error::TooManyElements { what });
        };
        // The kernel takes several pixels only as they lie in memory, in whole groups of four channels.
        let as_it_lies = order == Order::OutIn && c.is_multiple_of(4);
        let x = if h * w == 1 || as_it_lies { x } else { self.flatten(x)? };
        let [c, h, w] = self.nodes[x].chw;
        let stored = if order == Order::OutIn { [k, inputs] } else { [inputs, k] };
        let layer = self.layer(names, Rsck::new(h, w, c, k), order, 1, &stored);
        Ok(self.push(Op::Linear { layer }, &[x], [k, 1, 1]))
    }

    /// Values are dropped with probability `p` in training; nothing happens otherwise.
    pub fn dropout(&mut self, x: NodeId, p: f32) -> NodeId {
        self.push(Op::Dropout(p), &[x], self.nodes[x].chw)
    }

    /// One learned image of the input's shape, the same for every input.
    pub fn learned_image(&mut self, name: &str) -> NodeId {
        let chw = self.nodes[self.input()].chw;
        let param = self.param(name.to_owned(), &chw, Role::Image);
        self.push(Op::LearnedImage(param), &[self.input()], chw)
    }

    /// Batch normalisation.
    pub fn batch_norm(&mut self, x: NodeId, name: &str) -> NodeId {
        let names = ["weight", "bias", "running_mean", "running_var"];
        let names = names.map(|part| format!("{name}.{part}"));
        self.norm(x, names.each_ref().map(String::as_str), EPS)
    }

    /// Batch normalisation with the names of gamma, beta, mean and variance.
    pub fn norm(&mut self, x: NodeId, names: [&str; 4], eps: f32) -> NodeId {
        let chw = self.nodes[x].chw;
        let c = chw[0];
        let roles = [Role::Gamma, Role::Beta, Role::RunningMean, Role::RunningVar];
        let gamma = self.params.len();
        for (name, role) in names.into_iter().zip(roles) {
            self.param(name.to_owned(), &[c], role);
        }
        self.norms.push(Norm { gamma, c, eps });
        self.push(Op::BatchNorm(self.norms.len() - 1), &[x], chw)
    }

    /// `max(x, 0)`.
    pub fn relu(&mut self, x: NodeId) -> NodeId {
        self.push(Op::Relu, &[x], self.nodes[x].chw)
    }

    /// `tanh(x)`.
    pub fn tanh(&mut self, x: NodeId) -> NodeId {
        self.push(Op::Tanh, &[x], self.nodes[x].chw)
    }

    /// `x` where it is above 0, else `slope x`; the slope is a normal number above 0.
    pub fn leaky_relu(&mut self, x: NodeId, slope: f32) -> NodeId {
        self.push(Op::LeakyRelu(slope), &[x], self.nodes[x].chw)
    }

    /// Another activation function.
    pub fn pointwise(&mut self, x: NodeId, function: Pointwise) -> NodeId {
        self.push(Op::Pointwise(function), &[x], self.nodes[x].chw)
    }

    /// Maximum over windows.
    pub fn max_pool(&mut self, x: NodeId, window: Window) -> Result<NodeId> {
        let y = max_pool::output(self.shape(x, 1), window)?;
        Ok(self.push(Op::MaxPool(window), &[x], [y.c, y.h, y.w]))
    }

    /// Mean over windows.
    pub fn avg_pool(&mut self, x: NodeId, window: Window, divisor: Divisor) -> Result<NodeId> {
        let y = avg_pool::output(self.shape(x, 1), window)?;
        Ok(self.push(Op::AvgPool(window, divisor), &[x], [y.c, y.h, y.w]))
    }

    /// Mean over the whole image.
    pub fn global_avg_pool(&mut self, x: NodeId) -> NodeId {
        let [c, h, w] = self.nodes[x].chw;
        let window = Window::even([h, w], 1, 0);
        self.push(Op::AvgPool(window, Divisor::Window), &[x], [c, 1, 1])
    }

    /// Nearest-neighbour enlargement.
    pub fn upsample(&mut self, x: NodeId, factor: u32) -> NodeId {
        let [c, h, w] = self.nodes[x].chw;
        self.push(Op::Upsample(factor), &[x], [c, h * factor, w * factor])
    }

    /// Channels of `a`, then of `b`.
    pub fn concat(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        let ([ca, h, w], [cb, hb, wb]) = (self.nodes[a].chw, self.nodes[b].chw);
        if [h, w] != [hb, wb] {
            return Err(Error::Shape(format!("cannot concatenate {h}x{w} and {hb}x{wb} pixels")));
        }
        Ok(self.push(Op::Concat, &[a, b], [ca + cb, h, w]))
    }

    /// Product of two nodes; `b` may have one pixel, which multiplies all pixels of `a`.
    ///
    /// # Errors
    /// Other shapes that differ.
    pub fn multiply(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        let (of_a, of_b) = (self.nodes[a].chw, self.nodes[b].chw);
        if of_a != of_b && of_b != [of_a[0], 1, 1] {
            return Err(Error::Shape(format!("the product of {of_a:?} and {of_b:?}")));
        }
        Ok(self.push(Op::Multiply, &[a, b], of_a))
    }

    /// The values of each image in another order; `table` says where each value of `chw` comes from in `x`, both in
    /// the order `[C, H, W]`, or [`rearrange::FILL`].
    ///
    /// # Errors
    /// A table that does not fit, or a value that would go to two places.
    pub fn rearrange(
        &mut self,
        x: NodeId,
        table: Vec<u32>,
        fill: f32,
        chw: [u32; 3],
    ) -> Result<NodeId> {
        rearrange::in_memory(&table, self.nodes[x].chw, chw)?;
        rearrange::inverse(&table, self.nodes[x].chw)?;
        Ok(self.push(Op::Rearrange { table: table.into(), fill }, &[x], chw))
    }

    /// All values of an image as the channels of one pixel, in the order `[C, H, W]`.
    pub fn flatten(&mut self, x: NodeId) -> Result<NodeId> {
        let len = self.nodes[x].chw.iter().product();
        self.rearrange(x, (0..len).collect(), 0.0, [len, 1, 1])
    }

    /// Sum of two nodes.
    pub fn add(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        let (shape_a, shape_b) = (self.nodes[a].chw, self.nodes[b].chw);
        if shape_a != shape_b {
            return Err(Error::Shape(format!("cannot add {shape_a:?} and {shape_b:?}")));
        }
        Ok(self.push(Op::Add, &[a, b], shape_a))
    }

    /// `p` zeros on every side.
    pub fn pad(&mut self, x: NodeId, p: u32) -> NodeId {
        let [c, h, w] = self.nodes[x].chw;
        self.push(Op::Gather(Gather::pad(p)), &[x], [c, h + 2 * p, w + 2 * p])
    }

    /// A ResNet shortcut without parameters: every `step`-th pixel, `before` zero channels before and
    /// as many after as `c` channels need.
    pub fn shortcut(&mut self, x: NodeId, step: u32, c: u32, before: u32) -> NodeId {
        let [_, h, w] = self.nodes[x].chw;
        let gather = Gather { channel_offset: -before.cast_signed(), ..Gather::subsample(step) };
        self.push(Op::Gather(gather), &[x], [c, h.div_ceil(step), w.div_ceil(step)])
    }
}
