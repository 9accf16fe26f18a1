//! A network is data: nodes in the order they run, parameters in `state_dict` order. No GPU.

use crate::{
    error::{Error, Result},
    files::Weights,
    kernels::{
        elementwise::pointwise::Pointwise, layout::gather2d::Gather, pool::window::Divisor,
        quantise::fault_dequantize::Order,
    },
    shape::{Nhwc, Rsck, Window},
};
use std::sync::Arc;

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
        /// Rows and columns from one tap to the next.
        dilation: [u32; 2],
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
    /// `x` where it is above 0, else this slope times `x`.
    LeakyRelu(f32),
    /// Another activation function.
    Pointwise(Pointwise),
    /// Maximum over windows.
    MaxPool(Window),
    /// Mean over windows.
    AvgPool(Window, Divisor),
    /// Nearest-neighbour enlargement.
    Upsample(u32),
    /// Channels of the first input, then of the second.
    Concat,
    /// Sum of two inputs.
    Add,
    /// Product of two inputs; the second may have one pixel, a gate for each channel of the first.
    Multiply,
    /// The values of an image in another order: where each comes from, both in the order `[C, H, W]`, or
    /// [`FILL`](crate::kernels::layout::rearrange::FILL).
    Rearrange {
        /// Index of the source of each value.
        table: Arc<[u32]>,
        /// Value where there is no source.
        fill: f32,
    },
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
    /// Name in the `state_dict`.
    pub name: String,
    /// Shape in PyTorch.
    pub shape: Vec<usize>,
    /// What the parameter is for.
    pub role: Role,
}

impl Param {
    /// Number of elements.
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
    /// Extents of the weights.
    pub shape: Rsck,
    /// Order of the stored weights.
    pub order: Order,
    /// Number of groups of channels; each output channel sums over the `shape.c` input channels of its group.
    pub groups: u32,
}

/// A batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// Index of gamma in [`Graph::params`]; beta, mean and variance follow it.
    pub gamma: usize,
    /// Channels.
    pub c: u32,
    /// Added to the variance.
    pub eps: f32,
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

/// A quantised activation of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivationBuffer {
    /// The node that quantises it ([`Pointwise::FakeQuantise`]).
    pub node: NodeId,
    /// Name of the tensor of words in the network's file.
    pub name: String,
    /// Whether its words are in two's complement.
    pub signed: bool,
}

/// Batch norm's epsilon in the paper and by default in PyTorch and ONNX.
pub(super) const EPS: f32 = 1e-5;
/// Batch norm's momentum.
pub(super) const MOMENTUM: f32 = 0.1;

/// A network. Build it with the methods named after layers (`build.rs`); the last node is the output.
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
    /// Quantised activations that a file names, in the order of its nodes.
    pub activations: Vec<ActivationBuffer>,
    /// Whether the memory of those behind a faultable layer can fail ([`Graph::failing`]).
    pub activations_fail: bool,
    /// Whether the memory of biases can fail ([`Graph::failing_biases`]).
    pub biases_fail: bool,
}

impl Graph {
    /// A network of one node, its input `[C, H, W]`.
    #[must_use]
    pub fn new(name: &str, chw: [u32; 3]) -> Self {
        let input = Node { op: Op::Input, inputs: Vec::new(), chw };
        Self {
            name: name.to_owned(),
            nodes: vec![input],
            params: Vec::new(),
            layers: Vec::new(),
            norms: Vec::new(),
            activations: Vec::new(),
            activations_fail: false,
            biases_fail: false,
        }
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

    /// Whether it makes images, as generators do, and not scores.
    #[must_use]
    pub fn makes_images(&self) -> bool {
        let [_, h, w] = self.nodes[self.output()].chw;
        h.max(w) > 1
    }

    /// Shape of a node's value for a batch.
    #[must_use]
    pub fn shape(&self, node: NodeId, n: u32) -> Nhwc {
        let [c, h, w] = self.nodes[node].chw;
        Nhwc::new(n, h, w, c)
    }

    /// Nodes that read the value of `node`.
    pub fn consumers(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        (node..self.nodes.len()).filter(move |&i| self.nodes[i].inputs.contains(&node))
    }

    /// The node that reads the value of `node`, if there is exactly one.
    #[must_use]
    pub fn sole_consumer(&self, node: NodeId) -> Option<NodeId> {
        let mut consumers = self.consumers(node);
        let first = consumers.next();
        first.filter(|_| consumers.next().is_none())
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

    /// Size in bytes of the largest node value, for one image.
    #[must_use]
    pub fn largest(&self) -> u64 {
        (0..self.nodes.len()).map(|node| self.shape(node, 1).bytes()).max().unwrap_or(0)
    }

    /// Number of trainable elements.
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

    /// Names of the weights of the faultable layers.
    pub fn layer_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.layers.iter().map(|l| self.params[l.weight].name.as_str())
    }

    /// Name of a node in messages: the name of its layer in the `state_dict`, else its operation.
    #[must_use]
    pub fn name_of(&self, node: NodeId) -> String {
        let of = |param: usize| self.params[param].name.trim_end_matches(".weight").to_owned();
        match &self.nodes[node].op {
            Op::Conv { layer, .. } | Op::Linear { layer } => of(self.layers[*layer].weight),
            Op::BatchNorm(norm) => of(self.norms[*norm].gamma),
            Op::LearnedImage(param) => of(*param),
            op => {
                let op = format!("{op:?}").to_lowercase();
                let word = op.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
                format!("node {node} ({word})")
            }
        }
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

    /// Checks that a file has every tensor of this network in its shape, with values that it can have.
    ///
    /// # Errors
    /// The first tensor that is missing or has another shape, or a running variance below 0.
    pub fn check(&self, weights: &Weights) -> Result<()> {
        for param in &self.params {
            let tensor = weights.get(&param.name, &param.shape)?;
            let negative = tensor.data.iter().position(|&v| v < 0.0);
            if let (Role::RunningVar, Some(i)) = (param.role, negative) {
                let what = format!(
                    "element {i} of tensor {} is {}: a variance is never negative",
                    param.name, tensor.data[i]
                );
                let hint = "the file is damaged, or the tensor is another than its name says: export \
                            the network anew";
                return Err(Error::format(weights.name(), what, hint));
            }
        }
        Ok(())
    }
}
