//! The forward pass, node by node.

use super::{Compiler, FaultyActivations, Mode, NodeValue, Saved, saved::ChannelScales};
use crate::{
    error::{Error, Result},
    gpu::Buffer,
    kernels::{
        elementwise::{self, activation::Activation, pointwise::Pointwise},
        layout, pool,
        quantise::{self, fault_activations::QuantisedActivation},
    },
    nn::graph::{NodeId, Op},
    run::BufferId,
    shape::Nhwc,
};

impl Compiler<'_> {
    pub(super) fn run_forward(&mut self, images: &[NodeValue]) -> Result<Vec<NodeValue>> {
        self.set(self.graph.input(), images.to_vec());
        for node in 1..self.graph.nodes.len() {
            if !self.done[node] {
                self.mark(node, "forward");
                self.step(node)?;
            }
        }
        self.parts(self.graph.output())
    }

    /// A transient buffer for a node's value.
    pub(super) fn output(&mut self, node: NodeId, n: u32, copies: u32) -> NodeValue {
        let shape = self.graph.shape(node, n);
        let label = format!("{} node {node}", self.graph.name);
        let id = self.tape.transient(&label, shape.bytes() * u64::from(copies));
        NodeValue { id, shape, copies }
    }

    fn step(&mut self, node: NodeId) -> Result<()> {
        let graph = self.graph;
        let inputs = &graph.nodes[node].inputs;
        let Some(&x) = inputs.first() else {
            return Err(Error::Shape("a second input node".into()));
        };
        match &graph.nodes[node].op {
            Op::Input => Err(Error::Shape("a second input node".into())),
            Op::Conv { .. } | Op::Linear { .. } => self.conv(node),
            Op::BatchNorm(norm) => self.batch_norm(node, *norm, x),
            Op::Relu => self.activation(node, x, Activation::Relu),
            Op::Tanh => self.activation(node, x, Activation::Tanh),
            Op::MaxPool(window) => {
                let mut args = Vec::new();
                for (input, y) in self.io(node, x)? {
                    let plan = pool::max_pool::plan(input.whole(), *window)?;
                    let arg = self.tape.transient("pool arguments", plan.bytes_of("arg"));
                    self.tape.push(plan, &[input.id, y.id, arg])?;
                    args.push(arg);
                }
                self.saved.push(Saved::MaxPool { x, out: node, window: *window, args });
                Ok(())
            }
            Op::LeakyRelu(slope) => {
                for (input, y) in self.io(node, x)? {
                    let plan = elementwise::leaky_relu::plan(input.whole(), *slope)?;
                    self.tape.push(plan, &[input.id, y.id])?;
                }
                self.saved.push(Saved::LeakyRelu { x, out: node, slope: *slope });
                Ok(())
            }
            Op::Pointwise(function) => {
                for (input, y) in self.io(node, x)? {
                    let plan = elementwise::pointwise::plan(input.whole(), *function)?;
                    self.tape.push(plan, &[input.id, y.id])?;
                    self.fail(node, y, *function)?;
                }
                // The gradient goes straight through faults.
                self.saved.push(Saved::Pointwise { x, out: node, function: *function });
                Ok(())
            }
            &Op::AvgPool(window, divisor) => {
                for (input, y) in self.io(node, x)? {
                    let plan = pool::avg_pool::plan(input.whole(), window, divisor)?;
                    self.tape.push(plan, &[input.id, y.id])?;
                }
                self.saved.push(Saved::AvgPool { x, out: node, window, divisor });
                Ok(())
            }
            Op::Upsample(factor) => {
                for (input, y) in self.io(node, x)? {
                    let plan = layout::upsample_nearest::plan(input.whole(), *factor)?;
                    self.tape.push(plan, &[input.id, y.id])?;
                }
                self.saved.push(Saved::Upsample { x, out: node, factor: *factor });
                Ok(())
            }
            Op::Concat => {
                for (a, b, y) in self.two(node)? {
                    let plan = layout::concat_channels::plan(a.whole(), b.whole())?;
                    self.tape.push(plan, &[a.id, b.id, y.id])?;
                }
                self.saved.push(Saved::Concat { a: x, b: inputs[1], out: node });
                Ok(())
            }
            Op::Add => {
                for (a, b, y) in self.two(node)? {
                    self.tape.push(elementwise::add::plan(a.whole())?, &[a.id, b.id, y.id])?;
                }
                self.saved.push(Saved::Add { a: x, b: inputs[1], out: node });
                Ok(())
            }
            Op::Multiply => {
                for (a, b, y) in self.two(node)? {
                    let plan = elementwise::multiply::plan(a.whole(), b.whole())?;
                    self.tape.push(plan, &[a.id, b.id, y.id])?;
                }
                self.saved.push(Saved::Multiply { a: x, b: inputs[1], out: node });
                Ok(())
            }
            Op::Rearrange { table, fill } => {
                let (from, to) = (graph.nodes[x].chw, graph.nodes[node].chw);
                let table = layout::rearrange::in_memory(table, from, to)?;
                let table = self.constant("where values come from", &table)?;
                for (input, y) in self.io(node, x)? {
                    let plan = layout::rearrange::plan(input.whole(), y.whole(), *fill)?;
                    self.tape.push(plan, &[input.id, table, y.id])?;
                }
                self.saved.push(Saved::Rearrange { x, out: node });
                Ok(())
            }
            Op::Gather(gather) => {
                for (input, y) in self.io(node, x)? {
                    let plan = layout::gather2d::plan(input.whole(), y.whole(), *gather)?;
                    self.tape.push(plan, &[input.id, y.id])?;
                }
                self.saved.push(Saved::Gather { x, out: node, gather: *gather });
                Ok(())
            }
            Op::Affine { scale, shift } => {
                let affine = self.constant("scales and shifts", &[&scale[..], shift].concat())?;
                let (c, len) = (scale.len() as u32, (scale.len() + shift.len()) as u32);
                self.affine(node, x, ChannelScales { affine, len, scale: 0 }, c)
            }
            Op::Dropout(p) => self.dropout(node, x, *p),
            Op::LearnedImage(_) => {
                let Some(offset) = self.vectors.image else {
                    return Err(Error::Shape(format!("{} has no learned image", graph.name)));
                };
                for (_, y) in self.io(node, x)? {
                    let plan = elementwise::learned_image::plan(y.shape, offset, self.vectors.len)?;
                    self.tape.push(plan, &[self.vectors.buffer, y.id])?;
                }
                self.saved.push(Saved::LearnedImage { out: node });
                Ok(())
            }
        }
    }

    /// Lets the memory of a quantised activation fail, in place.
    fn fail(&mut self, node: NodeId, y: NodeValue, function: Pointwise) -> Result<()> {
        let Some(FaultyActivations { faults, flips, first }) = self.activations else {
            return Ok(());
        };
        let mut failing = (0u32..).zip(self.graph.failing());
        let (Some((i, buffer)), Pointwise::FakeQuantise { step, least, most }) =
            (failing.find(|(_, buffer)| buffer.node == node), function)
        else {
            return Ok(());
        };
        let plan = quantise::fault_activations::plan(QuantisedActivation {
            shape: y.shape,
            copies: y.copies,
            step,
            range: [least, most],
            signed: buffer.signed,
            layer: [i, self.graph.failing().count() as u32],
            first,
        })?;
        self.tape.push(plan, &[faults, y.id, flips])
    }

    /// Input and output of a node, per part. The output has as many copies as the first input, `x`.
    fn io(&mut self, node: NodeId, x: NodeId) -> Result<Vec<(NodeValue, NodeValue)>> {
        let inputs = self.parts(x)?;
        let outputs: Vec<NodeValue> =
            inputs.iter().map(|input| self.output(node, input.shape.n, input.copies)).collect();
        self.set(node, outputs.clone());
        Ok(inputs.into_iter().zip(outputs).collect())
    }

    /// Both inputs and the output of a node, per part.
    fn two(&mut self, node: NodeId) -> Result<Vec<(NodeValue, NodeValue, NodeValue)>> {
        let [x, other] = [0, 1].map(|i| self.graph.nodes[node].inputs[i]);
        let others = self.parts(other)?;
        let mut all = Vec::new();
        for ((a, y), b) in self.io(node, x)?.into_iter().zip(others) {
            if a.copies != b.copies {
                return Err(Error::Shape(format!(
                    "{}: node {node} joins a faulty with a fault-free branch",
                    self.graph.name
                )));
            }
            all.push((a, b, y));
        }
        Ok(all)
    }

    pub(super) fn constant<T: bytemuck::Pod>(
        &mut self,
        label: &str,
        values: &[T],
    ) -> Result<BufferId> {
        let buffer = Buffer::with(self.gpu, label, values)?;
        Ok(self.tape.import(label, &buffer))
    }

    /// A scale and a shift per channel; the shifts begin at the offset `shift` of the same buffer.
    pub(super) fn affine(
        &mut self,
        node: NodeId,
        x: NodeId,
        scales: ChannelScales,
        shift: u32,
    ) -> Result<()> {
        let ChannelScales { affine, len, scale } = scales;
        for (input, y) in self.io(node, x)? {
            let plan = elementwise::channel_affine::plan(input.whole(), scale, Some(shift), len)?;
            self.tape.push(plan, &[input.id, affine, y.id])?;
        }
        self.saved.push(Saved::Affine { x, out: node, scales });
        Ok(())
    }

    fn activation(&mut self, node: NodeId, x: NodeId, act: Activation) -> Result<()> {
        for (input, y) in self.io(node, x)? {
            self.tape
                .push(elementwise::activation::plan(input.whole(), act)?, &[input.id, y.id])?;
        }
        self.saved.push(Saved::Activation { x, out: node, act });
        Ok(())
    }

    fn dropout(&mut self, node: NodeId, x: NodeId, p: f32) -> Result<()> {
        let Some(seed) = self.state.seed.filter(|_| self.mode == Mode::Training) else {
            self.set(node, self.parts(x)?);
            self.saved.push(Saved::Same { x, out: node });
            return Ok(());
        };
        let mut first = 0;
        for (input, y) in self.io(node, x)? {
            let plan = self.dropout_plan(node, input.shape, p, first)?;
            self.tape.push(plan, &[input.id, seed, y.id])?;
            first += input.shape.n;
        }
        self.saved.push(Saved::Dropout { x, out: node, p });
        Ok(())
    }

    /// Plan of a dropout node, the same for values and for their gradients, so that both lose the
    /// same elements. `first` is the position of the part's first image in the batch.
    pub(super) fn dropout_plan(
        &self,
        node: NodeId,
        x: Nhwc,
        p: f32,
        first: u32,
    ) -> Result<crate::kernels::plan::Plan> {
        let layer = u32::try_from(node).unwrap_or(u32::MAX);
        elementwise::dropout::plan(x, p, layer, first)
    }
}
