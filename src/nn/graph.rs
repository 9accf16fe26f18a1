//! A network is data: nodes in the order they run, parameters in `state_dict` order. No GPU.

use crate::{
    error::{Error, Result},
    files::Weights,
    ops::{fault_dequantize::Order, gather2d::Gather},
    shape::{Nhwc, Rsck, Window},
};

/// Index of a node in its graph.
pub type NodeId = usize;

/// What a node computes from its inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The images.
    Input,
    /// `x * scale[c] + shift[c]`, constants: the normalisation that a base network expects.
    Affine {
        /// Per channel.
        scale: Vec<f32>,
        /// Per channel.
        shift: Vec<f32>,
    },
    /// A convolution or transposed convolution with the weights of a layer.
    Conv {
        /// Index in [`Graph::layers`].
        layer: usize,
        /// Kernel, stride, padding.
        window: Window,
        /// Transposed.
        transposed: bool,
    },
    /// A fully connected layer; on more than one pixel it is a convolution as large as the image.
    Linear {
        /// Index in [`Graph::layers`].
        layer: usize,
    },
    /// Batch normalisation: index in [`Graph::norms`].
    BatchNorm(usize),
    /// `max(x, 0)`.
    Relu,
    /// `tanh(x)`.
    Tanh,
    /// Maximum over windows.
    MaxPool(Window),
    /// Mean over windows.
    AvgPool(Window),
    /// Nearest-neighbour enlargement.
    Upsample(u32),
    /// Channels of the first input, then of the second.
    Concat,
    /// Sum of two inputs.
    Add,
    /// Padding, subsampling, channel shifts.
    Gather(Gather),
    /// In training each value is 0 with this probability, and the others grow in proportion.
    Dropout(f32),
    /// One learned image for every input: index of its parameter.
    LearnedImage(usize),
}

/// A node: an operation, its inputs and the shape of one image of its output.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// Earlier nodes.
    pub inputs: Vec<NodeId>,
    /// Channels, rows, columns.
    pub chw: [u32; 3],
}

/// What a parameter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Convolution or linear weights: quantised, faultable.
    Weight,
    /// Bias of a convolution or linear layer.
    Bias,
    /// Scale of a batch norm.
    Gamma,
    /// Shift of a batch norm.
    Beta,
    /// Running mean of a batch norm (a buffer, not trained).
    RunningMean,
    /// Running variance of a batch norm (a buffer, not trained).
    RunningVar,
    /// A learned image: trained, never quantised.
    Image,
}

/// A tensor of the `state_dict`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name there.
    pub name: String,
    /// Its PyTorch shape.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
}

impl Param {
    /// Elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A convolution or linear layer: what is quantised and may be faulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Index of its weights in [`Graph::params`].
    pub weight: usize,
    /// Index of its bias.
    pub bias: Option<usize>,
    /// Extents.
    pub shape: Rsck,
    /// Order of the stored weights.
    pub order: Order,
}

/// A batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Norm {
    /// Index of gamma in [`Graph::params`]; beta, mean and variance follow it.
    pub gamma: usize,
    /// Channels.
    pub c: u32,
}

impl Norm {
    /// Index of beta.
    #[must_use]
    pub fn beta(self) -> usize {
        self.gamma + 1
    }

    /// Index of the running mean.
    #[must_use]
    pub fn mean(self) -> usize {
        self.gamma + 2
    }

    /// Index of the running variance.
    #[must_use]
    pub fn var(self) -> usize {
        self.gamma + 3
    }
}

/// Batch norm's epsilon, everywhere in the paper and in PyTorch.
pub(super) const EPS: f32 = 1e-5;
/// Batch norm's momentum.
pub(super) const MOMENTUM: f32 = 0.1;

/// A network. Build it with the methods named after layers; the last node is the output.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Name of the network.
    pub name: String,
    /// Nodes in the order they run.
    pub nodes: Vec<Node>,
    /// Parameters and buffers in `state_dict` order (`num_batches_tracked` left out).
    pub params: Vec<Param>,
    /// Faultable layers in `state_dict` order.
    pub layers: Vec<Layer>,
    /// Batch norms.
    pub norms: Vec<Norm>,
}

impl Graph {
    /// A network of one node, its input `[C, H, W]`.
    #[must_use]
    pub fn new(name: &str, chw: [u32; 3]) -> Self {
        let input = Node { op: Op::Input, inputs: Vec::new(), chw };
        let (params, layers, norms) = (Vec::new(), Vec::new(), Vec::new());
        Self { name: name.to_owned(), nodes: vec![input], params, layers, norms }
    }

    /// The node of the images.
    #[must_use]
    pub fn input(&self) -> NodeId {
        0
    }

    /// The node that was added last.
    #[must_use]
    pub fn output(&self) -> NodeId {
        self.nodes.len() - 1
    }

    /// Shape of a node's value for a batch.
    #[must_use]
    pub fn shape(&self, node: NodeId, n: u32) -> Nhwc {
        let [c, h, w] = self.nodes[node].chw;
        Nhwc::new(n, h, w, c)
    }

    /// Nodes that read a node.
    pub fn consumers(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        (node..self.nodes.len()).filter(move |&i| self.nodes[i].inputs.contains(&node))
    }

    /// The one node that reads a node, if there is just one.
    #[must_use]
    pub fn sole_consumer(&self, node: NodeId) -> Option<NodeId> {
        let mut consumers = self.consumers(node);
        let first = consumers.next();
        first.filter(|_| consumers.next().is_none())
    }

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
    ///
    /// # Errors
    /// The window does not fit.
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
    ///
    /// # Errors
    /// Nothing is left of the image.
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
    ///
    /// # Errors
    /// The window does not fit.
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
    ///
    /// # Errors
    /// The images differ in size.
    pub fn concat(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        let ([ca, h, w], [cb, hb, wb]) = (self.nodes[a].chw, self.nodes[b].chw);
        if [h, w] != [hb, wb] {
            return Err(Error::Shape(format!("cannot concatenate {h}x{w} and {hb}x{wb} pixels")));
        }
        Ok(self.push(Op::Concat, &[a, b], [ca + cb, h, w]))
    }

    /// Sum of two nodes.
    ///
    /// # Errors
    /// Their shapes differ.
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

    /// Whether a layer is fully connected.
    #[must_use]
    pub fn is_linear(&self, layer: usize) -> bool {
        self.nodes.iter().any(|node| node.op == Op::Linear { layer })
    }

    /// The parameter that is a learned image, if there is one.
    #[must_use]
    pub fn learned(&self) -> Option<usize> {
        self.nodes.iter().find_map(|node| match node.op {
            Op::LearnedImage(param) => Some(param),
            _ => None,
        })
    }

    /// Whether training draws values to drop.
    #[must_use]
    pub fn has_dropout(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.op, Op::Dropout(_)))
    }

    /// Trainable elements.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        let trained = |p: &&Param| !matches!(p.role, Role::RunningMean | Role::RunningVar);
        self.params.iter().filter(trained).map(Param::len).sum()
    }

    /// Weights that are stored in faultable memory.
    #[must_use]
    pub fn faultable_weights(&self) -> u64 {
        self.layers.iter().map(|l| u64::from(l.shape.len())).sum()
    }

    /// Multiply-adds of the convolutions and linear layers for one image.
    #[must_use]
    pub fn macs(&self) -> u64 {
        let macs = |node: &Node| match node.op {
            Op::Conv { layer, transposed, .. } => {
                let image = if transposed { self.nodes[node.inputs[0]].chw } else { node.chw };
                u64::from(self.layers[layer].shape.len()) * u64::from(image[1] * image[2])
            }
            Op::Linear { layer } => u64::from(self.layers[layer].shape.len()),
            _ => 0,
        };
        self.nodes.iter().map(macs).sum()
    }

    /// Checks that a file has every tensor of this network in its shape.
    ///
    /// # Errors
    /// The first tensor that is missing or has another shape.
    pub fn check(&self, weights: &Weights) -> Result<()> {
        for param in &self.params {
            weights.get(&param.name, &param.shape)?;
        }
        Ok(())
    }
}
