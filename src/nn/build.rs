//! Building a network layer by layer: the methods of [`Graph`] that are named after layers.

use super::graph::{Graph, Layer, Node, NodeId, Norm, Op, Param, Role};
use crate::{
    error::{Error, Result},
    kernels::{layout::gather2d::Gather, quantise::fault_dequantize::Order},
    shape::{Rsck, Window},
};

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
        name: &str,
        shape: Rsck,
        order: Order,
        stored: &[u32],
        bias: bool,
    ) -> usize {
        let weight = self.param(format!("{name}.weight"), stored, Role::Weight);
        let bias = bias.then(|| self.param(format!("{name}.bias"), &[shape.k], Role::Bias));
        self.layers.push(Layer { weight, bias, shape, order });
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
        let [c, h, w] = self.nodes[x].chw;
        let ([r, s], [oh, ow]) = (window.kernel, window.output(h, w)?);
        let shape = Rsck::new(r, s, c, k);
        let layer = self.layer(name, shape, Order::OutIn, &[k, c, r, s], bias);
        Ok(self.push(Op::Conv { layer, window, transposed: false }, &[x], [k, oh, ow]))
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
        let [c, h, w] = self.nodes[x].chw;
        let ([r, s], [oh, ow]) = (window.kernel, window.transposed_output(h, w)?);
        let shape = Rsck::new(r, s, c, k);
        let layer = self.layer(name, shape, Order::InOut, &[c, k, r, s], bias);
        Ok(self.push(Op::Conv { layer, window, transposed: true }, &[x], [k, oh, ow]))
    }

    /// A fully connected layer with bias, on all pixels and channels of its input (in PyTorch's order:
    /// the stored `[K, C H W]` is that of a convolution `[K, C, H, W]`).
    ///
    /// # Errors
    /// More weights than 32-bit indices reach.
    pub fn linear(&mut self, x: NodeId, name: &str, k: u32) -> Result<NodeId> {
        let [c, h, w] = self.nodes[x].chw;
        let inputs = [c, h, w].iter().try_fold(1u32, |product, &n| product.checked_mul(n));
        let Some(inputs) = inputs.filter(|n| n.checked_mul(k).is_some()) else {
            return Err(Error::TooManyElements { what: format!("{name} on {c}x{h}x{w}") });
        };
        let layer = self.layer(name, Rsck::new(h, w, c, k), Order::OutIn, &[k, inputs], true);
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
        let chw = self.nodes[x].chw;
        let c = chw[0];
        let gamma = self.param(format!("{name}.weight"), &[c], Role::Gamma);
        self.param(format!("{name}.bias"), &[c], Role::Beta);
        self.param(format!("{name}.running_mean"), &[c], Role::RunningMean);
        self.param(format!("{name}.running_var"), &[c], Role::RunningVar);
        self.norms.push(Norm { gamma, c });
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

    /// Maximum over windows.
    pub fn max_pool(&mut self, x: NodeId, window: Window) -> Result<NodeId> {
        let [c, h, w] = self.nodes[x].chw;
        let [oh, ow] = window.output(h, w)?;
        Ok(self.push(Op::MaxPool(window), &[x], [c, oh, ow]))
    }

    /// Mean over the whole image.
    pub fn global_avg_pool(&mut self, x: NodeId) -> NodeId {
        let [c, h, w] = self.nodes[x].chw;
        let window = Window { kernel: [h, w], stride: 1, padding: 0 };
        self.push(Op::AvgPool(window), &[x], [c, 1, 1])
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

    /// `h` rows and `w` columns from the top left corner of an image: zeros at the right and at the bottom
    /// where it has less, cut off there where it has more.
    pub fn pad_or_crop(&mut self, x: NodeId, [h, w]: [u32; 2]) -> NodeId {
        let [c, ..] = self.nodes[x].chw;
        if self.nodes[x].chw == [c, h, w] {
            return x;
        }
        self.push(Op::Gather(Gather::channels(0)), &[x], [c, h, w])
    }

    /// A ResNet shortcut without parameters: every `step`-th pixel, `before` zero channels before and
    /// as many after as `c` channels need.
    pub fn shortcut(&mut self, x: NodeId, step: u32, c: u32, before: u32) -> NodeId {
        let [_, h, w] = self.nodes[x].chw;
        let gather = Gather { channel_offset: -before.cast_signed(), ..Gather::subsample(step) };
        self.push(Op::Gather(gather), &[x], [c, h.div_ceil(step), w.div_ceil(step)])
    }
}
