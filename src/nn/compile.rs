//! The compiler, forward: a graph becomes fused dispatches on a tape.

use super::graph::{Graph, NodeId, Op};
use crate::{
    error::{Error, Result},
    gpu::{Buffer, BufferId, Gpu, Tape},
    ops::{
        self,
        activation::Activation,
        conv2d::{Conv2d, Fusion, mask_bytes},
        gather2d::Gather,
    },
    shape::{Nhwc, Window},
};

/// What the program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics in batch norm, gradients of every parameter.
    Training,
    /// Weights fixed: batch norm folded, ReLU signs and pool arguments kept for the input gradient.
    Frozen,
    /// Weights fixed, nothing kept.
    Inference,
}

/// Dequantised weights of every layer, `copies` sets of each.
#[derive(Clone, Debug)]
pub struct Layers {
    /// `[copies, R, S, C, K]` per layer.
    pub w: Vec<BufferId>,
    /// `[copies, R, S, K, C]` per layer, for input gradients.
    pub wt: Vec<BufferId>,
    /// Sets of weights.
    pub copies: u32,
}

/// Where scales, shifts, biases and batch-norm parameters come from: one flat buffer and offsets.
#[derive(Clone, Debug)]
pub struct Vectors {
    /// The buffer.
    pub buffer: BufferId,
    /// Its floats.
    pub len: u32,
    /// Frozen: scale behind each layer, where a batch norm follows.
    pub scale: Vec<Option<u32>>,
    /// Frozen: shift behind each layer. Training: its bias.
    pub shift: Vec<Option<u32>>,
    /// Training: gamma and beta of each batch norm.
    pub norm: Vec<[u32; 2]>,
    /// Training: weights of each layer.
    pub weight: Vec<u32>,
}

/// The value of a node on the tape: `copies` tensors of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its buffer.
    pub id: BufferId,
    /// Shape of one copy.
    pub shape: Nhwc,
    /// Copies; 1 before the first layer with several sets of weights.
    pub copies: u32,
}

impl Value {
    /// All copies as one batch, for kernels that treat them alike.
    pub(super) fn whole(self) -> Nhwc {
        Nhwc { n: self.shape.n * self.copies, ..self.shape }
    }
}

/// What the backward pass must know of a forward step.
#[derive(Clone, Debug)]
pub(super) enum Saved {
    Conv {
        conv: Conv2d,
        layer: usize,
        x: NodeId,
        out: NodeId,
        residual: Option<NodeId>,
        mask: Option<BufferId>,
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
        arg: BufferId,
    },
    AvgPool {
        x: NodeId,
        out: NodeId,
        window: Window,
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
        scale: BufferId,
        zeros: BufferId,
    },
}

/// Turns one graph into dispatches for one batch size.
#[derive(Debug)]
pub struct Compiler<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) tape: &'a mut Tape,
    pub(super) graph: &'a Graph,
    pub(super) mode: Mode,
    pub(super) layers: Layers,
    pub(super) vectors: Vectors,
    /// Training: running mean and variance per batch norm.
    running: Vec<BufferId>,
    pub(super) values: Vec<Option<Value>>,
    pub(super) saved: Vec<Saved>,
    done: Vec<bool>,
    unused: [BufferId; 2],
}

impl<'a> Compiler<'a> {
    /// A compiler for `graph`, writing to `tape`. `running` holds a buffer per batch norm in training
    /// mode and is empty otherwise.
    pub fn new(
        gpu: &'a Gpu,
        tape: &'a mut Tape,
        graph: &'a Graph,
        mode: Mode,
        layers: Layers,
        vectors: Vectors,
        running: Vec<BufferId>,
    ) -> Self {
        let unused = [tape.kept("unused input", 16), tape.kept("unused output", 16)];
        let (values, done) = (vec![None; graph.nodes.len()], vec![false; graph.nodes.len()]);
        let saved = Vec::new();
        Self { gpu, tape, graph, mode, layers, vectors, running, values, saved, done, unused }
    }

    /// Appends the forward pass from the images to the output.
    ///
    /// # Errors
    /// The graph cannot run in this mode, or shapes do not fit.
    pub fn forward(&mut self, images: Value) -> Result<Value> {
        self.set(self.graph.input(), images);
        for node in 1..self.graph.nodes.len() {
            if !self.done[node] {
                self.step(node)?;
            }
        }
        self.value(self.graph.output())
    }

    /// The value of a node; nodes inside a fused step have none.
    pub(super) fn value(&self, node: NodeId) -> Result<Value> {
        self.values[node]
            .ok_or_else(|| Error::Shape(format!("{}: node {node} was fused away", self.graph.name)))
    }

    fn set(&mut self, node: NodeId, value: Value) {
        self.values[node] = Some(value);
        self.done[node] = true;
    }

    /// A transient buffer for a node's value.
    fn output(&mut self, node: NodeId, n: u32, copies: u32) -> Value {
        let shape = self.graph.shape(node, n);
        let label = format!("{} node {node}", self.graph.name);
        let id = self.tape.transient(&label, shape.bytes() * u64::from(copies));
        Value { id, shape, copies }
    }

    fn step(&mut self, node: NodeId) -> Result<()> {
        let graph = self.graph;
        let inputs = &graph.nodes[node].inputs;
        let x = inputs[0];
        match &graph.nodes[node].op {
            Op::Input => Err(Error::Shape("a second input node".into())),
            Op::Conv { layer, window, transposed } => {
                let input = self.value(x)?;
                let k = graph.nodes[node].chw[0];
                let conv = if *transposed {
                    Conv2d::transposed(input.shape, k, *window)?
                } else {
                    Conv2d::forward(input.shape, k, *window)?
                };
                self.conv(node, *layer, conv)
            }
            Op::Linear { layer } => {
                let input = self.value(x)?;
                let row = Nhwc::new(1, 1, input.shape.n, input.shape.c);
                let k = graph.nodes[node].chw[0];
                self.conv(node, *layer, Conv2d::forward(row, k, Window::square(1, 1, 0))?)
            }
            Op::BatchNorm(norm) => self.batch_norm(node, *norm, x),
            Op::Relu => self.activation(node, x, Activation::Relu),
            Op::Tanh => self.activation(node, x, Activation::Tanh),
            Op::MaxPool(window) => {
                let (input, y) = self.io(node, x)?;
                let plan = ops::max_pool::plan(input.whole(), *window)?;
                let arg = self.tape.transient("pool arguments", plan.bytes[2]);
                self.tape.push(plan, &[input.id, y.id, arg])?;
                self.saved.push(Saved::MaxPool { x, out: node, window: *window, arg });
                Ok(())
            }
            Op::AvgPool(window) => {
                let (input, y) = self.io(node, x)?;
                self.tape.push(ops::avg_pool::plan(input.whole(), *window)?, &[input.id, y.id])?;
                self.saved.push(Saved::AvgPool { x, out: node, window: *window });
                Ok(())
            }
            Op::Upsample(factor) => {
                let (input, y) = self.io(node, x)?;
                let plan = ops::upsample_nearest::plan(input.whole(), *factor)?;
                self.tape.push(plan, &[input.id, y.id])?;
                self.saved.push(Saved::Upsample { x, out: node, factor: *factor });
                Ok(())
            }
            Op::Concat => {
                let (a, y) = self.io(node, x)?;
                let b = self.same_copies(a, inputs[1])?;
                let plan = ops::concat_channels::plan(a.whole(), b.whole())?;
                self.tape.push(plan, &[a.id, b.id, y.id])?;
                self.saved.push(Saved::Concat { a: x, b: inputs[1], out: node });
                Ok(())
            }
            Op::Add => {
                let (a, y) = self.io(node, x)?;
                let b = self.same_copies(a, inputs[1])?;
                self.tape.push(ops::add::plan(a.whole())?, &[a.id, b.id, y.id])?;
                self.saved.push(Saved::Add { a: x, b: inputs[1], out: node });
                Ok(())
            }
            Op::Gather(gather) => {
                let (input, y) = self.io(node, x)?;
                let plan = ops::gather2d::plan(input.whole(), y.whole(), *gather)?;
                self.tape.push(plan, &[input.id, y.id])?;
                self.saved.push(Saved::Gather { x, out: node, gather: *gather });
                Ok(())
            }
            Op::Affine { scale, shift } => {
                let (input, y) = self.io(node, x)?;
                let scale = self.constant("input scale", scale)?;
                let zeros = self.constant("no shift", &vec![0.0; shift.len()])?;
                let shift = self.constant("input shift", shift)?;
                let plan = ops::channel_affine::plan(input.whole())?;
                self.tape.push(plan, &[input.id, scale, shift, y.id])?;
                self.saved.push(Saved::Affine { x, out: node, scale, zeros });
                Ok(())
            }
        }
    }

    /// Input and output of a node with one input, or whose first input sets the copies.
    fn io(&mut self, node: NodeId, x: NodeId) -> Result<(Value, Value)> {
        let input = self.value(x)?;
        let y = self.output(node, input.shape.n, input.copies);
        self.set(node, y);
        Ok((input, y))
    }

    fn same_copies(&self, a: Value, node: NodeId) -> Result<Value> {
        let b = self.value(node)?;
        if a.copies == b.copies {
            Ok(b)
        } else {
            Err(Error::Shape(format!(
                "{}: node {node} joins a faulty with a fault-free branch",
                self.graph.name
            )))
        }
    }

    fn constant(&mut self, label: &str, values: &[f32]) -> Result<BufferId> {
        let mut padded = values.to_vec();
        padded.resize(values.len().next_multiple_of(4), 0.0);
        let buffer = Buffer::with(self.gpu, label, &padded)?;
        Ok(self.tape.import(label, &buffer))
    }

    /// A convolution or linear layer with what can be fused behind it.
    fn conv(&mut self, node: NodeId, layer: usize, mut conv: Conv2d) -> Result<()> {
        let graph = self.graph;
        let x = graph.nodes[node].inputs[0];
        let input = self.value(x)?;
        conv.copies = self.layers.copies;
        conv.shared_input = input.copies == 1 && conv.copies > 1;
        let vectors = &self.vectors;
        let mut fusion = Fusion {
            affine_len: vectors.len,
            scale: vectors.scale[layer],
            shift: vectors.shift[layer],
            ..Fusion::default()
        };
        let mut out = node;
        let mut residual = None;
        let next =
            graph.sole_consumer(out).filter(|&n| matches!(graph.nodes[n].op, Op::BatchNorm(_)));
        let bias = next.is_none() && fusion.shift.is_some();
        if self.mode != Mode::Training {
            if let Some(norm) = next {
                self.done[norm] = true;
                out = norm;
            }
            if let Some((sum, other)) = self.residual_behind(out, conv.copies) {
                self.done[sum] = true;
                residual = Some(other);
                fusion.residual = true;
                out = sum;
            }
            let next = graph.sole_consumer(out).filter(|&n| graph.nodes[n].op == Op::Relu);
            if let Some(relu) = next {
                fusion.relu = true;
                fusion.mask_out = self.mode == Mode::Frozen;
                out = relu;
            }
        }
        self.done[node] = true;
        if fusion.mask_out && conv.transposed {
            return Err(Error::Shape("a frozen transposed convolution behind a ReLU".into()));
        }
        let y = self.output(out, input.shape.n, conv.copies);
        let mask = fusion
            .mask_out
            .then(|| self.tape.transient("ReLU mask", mask_bytes(conv.y, conv.copies)));
        let [unused_in, unused_out] = self.unused;
        let other = match residual {
            Some(other) => self.value(other)?.id,
            None => unused_in,
        };
        let affine = if vectors_used(fusion) { self.vectors.buffer } else { unused_in };
        if !vectors_used(fusion) {
            fusion.affine_len = 0;
        }
        let w = self.layers.w[layer];
        let bound = [input.id, w, affine, other, unused_in, y.id, mask.unwrap_or(unused_out)];
        self.tape.push(ops::conv2d::plan(conv, fusion)?, &bound)?;
        self.set(out, y);
        self.saved.push(Saved::Conv { conv, layer, x, out, residual, mask, bias });
        Ok(())
    }

    /// The addition that alone reads `out`, if its other input is there already.
    fn residual_behind(&self, out: NodeId, copies: u32) -> Option<(NodeId, NodeId)> {
        let sum = self.graph.sole_consumer(out)?;
        let node = &self.graph.nodes[sum];
        if node.op != Op::Add {
            return None;
        }
        let other = *node.inputs.iter().find(|&&input| input != out)?;
        self.values[other].filter(|v| v.copies == copies).map(|_| (sum, other))
    }

    fn batch_norm(&mut self, node: NodeId, norm: usize, x: NodeId) -> Result<()> {
        if self.mode != Mode::Training {
            return Err(Error::Shape(format!(
                "{}: a frozen batch norm must follow a convolution",
                self.graph.name
            )));
        }
        let next = self.graph.sole_consumer(node);
        let act = match next.map(|n| &self.graph.nodes[n].op) {
            Some(Op::Relu) => Activation::Relu,
            Some(Op::Tanh) => Activation::Tanh,
            _ => Activation::None,
        };
        let out = next.filter(|_| act != Activation::None).unwrap_or(node);
        self.done[node] = true;
        let input = self.value(x)?;
        let y = self.output(out, input.shape.n, 1);
        let shape = input.shape;
        let [gamma, beta] = self.vectors.norm[norm];
        let stats_plan = ops::batch_norm_stats::plan(shape)?;
        let chunks = ops::batch_norm_stats::chunks(shape);
        let partial = self.tape.transient("batch-norm partial", stats_plan.bytes[1]);
        self.tape.push(stats_plan, &[input.id, partial])?;
        let (eps, momentum) = (super::graph::EPS, super::graph::MOMENTUM);
        let finish = ops::batch_norm_finish::plan(shape, chunks, eps, momentum)?;
        let stats = self.tape.transient("batch-norm statistics", finish.bytes[2]);
        self.tape.push(finish, &[partial, self.running[norm], stats])?;
        let apply = ops::batch_norm_apply::plan(shape, act, gamma, beta, self.vectors.len)?;
        self.tape.push(apply, &[input.id, stats, self.vectors.buffer, y.id])?;
        self.set(out, y);
        self.saved.push(Saved::BatchNorm { norm, x, out, act, stats });
        Ok(())
    }

    fn activation(&mut self, node: NodeId, x: NodeId, act: Activation) -> Result<()> {
        let (input, y) = self.io(node, x)?;
        self.tape.push(ops::activation::plan(input.whole(), act)?, &[input.id, y.id])?;
        self.saved.push(Saved::Activation { x, out: node, act });
        Ok(())
    }

    /// Stand-ins for bindings that a fusion leaves out: one to read, one to write.
    pub(super) fn unused(&self) -> [BufferId; 2] {
        self.unused
    }
}

fn vectors_used(fusion: Fusion) -> bool {
    fusion.scale.is_some() || fusion.shift.is_some()
}
