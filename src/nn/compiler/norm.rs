//! Batch norm in training: statistics of the whole batch, whatever parts it comes in.

use super::{Compiler, Mode, NodeValue, Saved, saved::ChannelScales};
use crate::{
    error::{Error, Result},
    kernels::{elementwise::activation::Activation, norm, plan::Plan, reduce},
    nn::graph::{MOMENTUM, NodeId, Op},
    run::BufferId,
    shape::Nhwc,
};

impl Compiler<'_> {
    pub(super) fn batch_norm(&mut self, node: NodeId, norm: usize, x: NodeId) -> Result<()> {
        if self.mode != Mode::Training {
            let Some([scale, shift]) = self.vectors.alone.get(norm).copied().flatten() else {
                let what = format!("{}: batch norm {norm} is folded", self.graph.name);
                return Err(Error::Shape(what));
            };
            let (affine, len) = (self.vectors.buffer, self.vectors.len);
            return self.affine(node, x, ChannelScales { affine, len, scale }, shift);
        }
        let next = self.graph.sole_consumer(node);
        let act = match next.map(|n| &self.graph.nodes[n].op) {
            Some(Op::Relu) => Activation::Relu,
            Some(Op::Tanh) => Activation::Tanh,
            _ => Activation::None,
        };
        let out = next.filter(|_| act != Activation::None).unwrap_or(node);
        self.done[node] = true;
        let inputs = self.parts(x)?;
        let (whole, part) = self.cut(&inputs);
        let stats = |input: NodeValue| -> Result<(Plan, Vec<BufferId>)> {
            Ok((norm::statistics::plan_like(input.shape, part)?, vec![input.id]))
        };
        let partial = self.partials("batch-norm partial", &inputs, stats)?;
        let finish =
            norm::statistics::plan_finish(whole, part, self.graph.norms[norm].eps, MOMENTUM)?;
        let stats = self.tape.transient("batch-norm statistics", finish.bytes_of("stats"));
        self.tape.push(finish, &[partial, self.state.running[norm], stats])?;
        let [gamma, beta] = self.vectors.norm[norm];
        let mut outputs = Vec::new();
        for input in inputs {
            let y = self.output(out, input.shape.n, 1);
            let plan = norm::apply::plan(input.shape, act, gamma, beta, self.vectors.len)?;
            self.tape.push(plan, &[input.id, stats, self.vectors.buffer, y.id])?;
            outputs.push(y);
        }
        self.set(out, outputs);
        self.saved.push(Saved::BatchNorm { norm, x, out, act, stats });
        Ok(())
    }

    pub(super) fn undo_batch_norm(
        &mut self,
        saved: &Saved,
        dy: &[BufferId],
        gradients: BufferId,
    ) -> Result<Vec<BufferId>> {
        let &Saved::BatchNorm { norm, x, out, act, stats } = saved else {
            return Err(Error::Shape("no batch norm".into()));
        };
        let (inputs, outputs) = (self.parts(x)?, self.parts(out)?);
        let (whole, part) = self.cut(&inputs);
        let [gamma, beta] = self.vectors.norm[norm];
        let len = self.vectors.len;
        let mut at = 0;
        let sums = |input: NodeValue| -> Result<(Plan, Vec<BufferId>)> {
            let plan = norm::backward::plan_like(input.shape, part, act)?;
            let (dy, y) = (dy[at], outputs[at].id);
            at += 1;
            Ok((plan, vec![dy, y, input.id, stats]))
        };
        let partial = self.partials("batch-norm partial", &inputs, sums)?;
        let chunks = reduce::chunking::chunks_of(whole, part);
        let finish = norm::backward::plan_finish(whole, chunks, gamma, beta, len)?;
        let sums = self.tape.transient("batch-norm sums", finish.bytes_of("sums"));
        self.tape.push(finish, &[partial, sums, gradients])?;
        let mut dx = Vec::new();
        for (i, &input) in inputs.iter().enumerate() {
            let plan = norm::backward::plan_grad(input.shape, whole.pixels(), act, gamma, len)?;
            let d = self.gradient_buffer(input);
            let vectors = self.vectors.buffer;
            self.tape.push(plan, &[dy[i], outputs[i].id, input.id, stats, sums, vectors, d])?;
            dx.push(d);
        }
        Ok(dx)
    }

    /// Shape of the whole batch, and of the parts that it comes in (the last may have fewer images).
    fn cut(&self, parts: &[NodeValue]) -> (Nhwc, Nhwc) {
        let part = parts[0].shape;
        (Nhwc { n: self.batch(), ..part }, part)
    }

    /// Partial results of all parts in one buffer, one behind the other: the last binding of each
    /// part's dispatch, which `plan` gives together with the bindings before it.
    pub(super) fn partials(
        &mut self,
        label: &str,
        parts: &[NodeValue],
        mut plan: impl FnMut(NodeValue) -> Result<(Plan, Vec<BufferId>)>,
    ) -> Result<BufferId> {
        let planned = parts.iter().map(|&part| plan(part)).collect::<Result<Vec<_>>>()?;
        let size = |plan: &Plan| plan.bytes.last().copied().unwrap_or(0);
        let all = self.tape.transient(label, planned.iter().map(|(plan, _)| size(plan)).sum());
        let alone = planned.len() == 1;
        let mut offset = 0;
        for (plan, mut bound) in planned {
            let bytes = size(&plan);
            let own = if alone { all } else { self.tape.transient(label, bytes) };
            bound.push(own);
            self.tape.push(plan, &bound)?;
            if !alone {
                self.tape.copy(own, all, offset, bytes)?;
            }
            offset += bytes;
        }
        Ok(all)
    }
}
