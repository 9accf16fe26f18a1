//! What the backward pass must know of a forward step.

use super::super::graph::{Graph, NodeId, Op};
use crate::{
    kernels::{
        conv::conv2d::Conv2d,
        elementwise::{activation::Activation, pointwise::Pointwise},
        layout::gather2d::Gather,
        pool::window::Divisor,
    },
    run::BufferId,
    shape::Window,
};

/// Where the scales of an affine step are: a buffer of `len` floats, and the offset of the first channel's.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChannelScales {
    pub(super) affine: BufferId,
    pub(super) len: u32,
    pub(super) scale: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Saved {
    Conv {
        /// Per part.
        convs: Vec<Conv2d>,
        layer: usize,
        x: NodeId,
        out: NodeId,
        residual: Option<NodeId>,
        /// Sign bits of each slice's outputs; empty without a ReLU. Frozen networks have one part.
        masks: Vec<BufferId>,
        bias: bool,
    },
    BatchNorm {
        norm: usize,
        x: NodeId,
        out: NodeId,
        act: Activation,
        stats: BufferId,
    },
    Activation {
        x: NodeId,
        out: NodeId,
        act: Activation,
    },
    MaxPool {
        x: NodeId,
        out: NodeId,
        window: Window,
        /// Per part.
        args: Vec<BufferId>,
    },
    AvgPool {
        x: NodeId,
        out: NodeId,
        window: Window,
        divisor: Divisor,
    },
    Upsample {
        x: NodeId,
        out: NodeId,
        factor: u32,
    },
    Concat {
        a: NodeId,
        b: NodeId,
        out: NodeId,
    },
    Add {
        a: NodeId,
        b: NodeId,
        out: NodeId,
    },
    Gather {
        x: NodeId,
        out: NodeId,
        gather: Gather,
    },
    Affine {
        x: NodeId,
        out: NodeId,
        scales: ChannelScales,
    },
    LeakyRelu {
        x: NodeId,
        out: NodeId,
        slope: f32,
    },
    Pointwise {
        x: NodeId,
        out: NodeId,
        function: Pointwise,
    },
    Multiply {
        a: NodeId,
        b: NodeId,
        out: NodeId,
    },
    Rearrange {
        x: NodeId,
        out: NodeId,
    },
    /// Output and input are one buffer: dropout outside training.
    Same {
        x: NodeId,
        out: NodeId,
    },
    Dropout {
        x: NodeId,
        out: NodeId,
        p: f32,
    },
    LearnedImage {
        out: NodeId,
    },
}

impl Saved {
    /// The node whose step is undone. Where several nodes run in one dispatch, it is the layer.
    pub(super) fn node(&self, graph: &Graph) -> NodeId {
        let of =
            |op: &dyn Fn(&Op) -> bool, or| graph.nodes.iter().position(|n| op(&n.op)).unwrap_or(or);
        match *self {
            Self::Conv { layer: own, out, .. } => of(
                &|op| matches!(*op, Op::Conv { layer, .. } | Op::Linear { layer } if layer == own),
                out,
            ),
            Self::BatchNorm { norm, out, .. } => of(&|op| *op == Op::BatchNorm(norm), out),
            Self::Activation { out, .. }
            | Self::MaxPool { out, .. }
            | Self::AvgPool { out, .. }
            | Self::Upsample { out, .. }
            | Self::Concat { out, .. }
            | Self::Add { out, .. }
            | Self::Gather { out, .. }
            | Self::Affine { out, .. }
            | Self::LeakyRelu { out, .. }
            | Self::Pointwise { out, .. }
            | Self::Multiply { out, .. }
            | Self::Rearrange { out, .. }
            | Self::Same { out, .. }
            | Self::Dropout { out, .. }
            | Self::LearnedImage { out } => out,
        }
    }
}
