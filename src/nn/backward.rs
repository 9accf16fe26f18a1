//! The compiler, backward: from the gradient of the output to those of the input and, in training,
//! of every parameter.

use super::{
    compile::{Compiler, Mode, Saved, Value},
    graph::NodeId,
};
use crate::{
    error::Result,
    gpu::BufferId,
    ops::{self, conv2d::Fusion},
    shape::Nhwc,
};

/// Gradients of node values so far.
struct Gradients(Vec<Option<BufferId>>);

impl Compiler<'_> {
    /// Appends the backward pass. `dy` is the gradient of the output, like its value; `gradients` the
    /// flat buffer of parameter gradients (training) with its length in floats. Returns the gradient of
    /// the images if it is wanted: of all copies together, where they share the images.
    ///
    /// # Errors
    /// Shapes do not fit.
    pub fn backward(
        &mut self,
        dy: BufferId,
        gradients: Option<BufferId>,
        want_input: bool,
    ) -> Result<Option<BufferId>> {
        let mut grads = Gradients(vec![None; self.graph.nodes.len()]);
        grads.0[self.graph.output()] = Some(dy);
        for saved in std::mem::take(&mut self.saved).into_iter().rev() {
            self.undo(&saved, &mut grads, gradients, want_input)?;
        }
        Ok(grads.0[self.graph.input()])
    }

    /// Whether anybody wants the gradient of a node's value.
    fn wanted(&self, node: NodeId, want_input: bool) -> bool {
        let affine = matches!(self.graph.nodes[node].op, super::graph::Op::Affine { .. });
        want_input || !(node == self.graph.input() || affine)
    }

    fn undo(
        &mut self,
        saved: &Saved,
        grads: &mut Gradients,
        gradients: Option<BufferId>,
        want_input: bool,
    ) -> Result<()> {
        match *saved {
            Saved::Conv { .. } => self.undo_conv(saved, grads, gradients, want_input),
            Saved::BatchNorm { norm, x, out, act, stats } => {
                let Some(dy) = grads.0[out] else { return Ok(()) };
                let (input, y) = (self.value(x)?, self.value(out)?);
                let shape = input.shape;
                let [gamma, beta] = self.vectors.norm[norm];
                let len = self.vectors.len;
                let sums_plan = ops::batch_norm_grad_sums::plan(shape, act)?;
                let partial = self.tape.transient("batch-norm partial", sums_plan.bytes[4]);
                self.tape.push(sums_plan, &[dy, y.id, input.id, stats, partial])?;
                let chunks = ops::batch_norm_stats::chunks(shape);
                let finish = ops::batch_norm_grad_finish::plan(shape, chunks, gamma, beta, len)?;
                let sums = self.tape.transient("batch-norm sums", finish.bytes[1]);
                if let Some(gradients) = gradients {
                    self.tape.push(finish, &[partial, sums, gradients])?;
                }
                let plan = ops::batch_norm_grad::plan(shape, act, gamma, len)?;
                let dx = self.gradient_buffer(input);
                let vectors = self.vectors.buffer;
                self.tape.push(plan, &[dy, y.id, input.id, stats, sums, vectors, dx])?;
                self.contribute(grads, x, dx)
            }
            Saved::Activation { x, out, act } => {
                let Some(dy) = grads.0[out] else { return Ok(()) };
                let y = self.value(out)?;
                let dx = self.gradient_buffer(y);
                self.tape.push(ops::activation_grad::plan(y.whole(), act)?, &[dy, y.id, dx])?;
                self.contribute(grads, x, dx)
            }
            Saved::MaxPool { x, out, window, arg } => {
                let Some(dy) = grads.0[out] else { return Ok(()) };
                let input = self.value(x)?;
                let dx = self.gradient_buffer(input);
                let plan = ops::max_pool_grad::plan(input.whole(), window)?;
                self.tape.push(plan, &[dy, arg, dx])?;
                self.contribute(grads, x, dx)
            }
            Saved::AvgPool { x, out, window } => {
                let Some(dy) = grads.0[out] else { return Ok(()) };
                let input = self.value(x)?;
                let dx = self.gradient_buffer(input);
                self.tape.push(ops::avg_pool_grad::plan(input.whole(), window)?, &[dy, dx])?;
                self.contribute(grads, x, dx)
            }
            Saved::Upsample { x, out, factor } => {
                let Some(dy) = grads.0[out] else { return Ok(()) };
                let input = self.value(x)?;
                let dx = self.gradient_buffer(input);
                let plan = ops::upsample_nearest_grad::plan(input.whole(), factor)?;
                self.tape.push(plan, &[dy, dx])?;
                self.contribute(grads, x, dx)
            }
            Saved::Concat { a, b, out } => {
                let first = self.value(a)?.shape.c.cast_signed();
                self.undo_gather(grads, a, out, ops::gather2d::Gather::channels(0))?;
                self.undo_gather(grads, b, out, ops::gather2d::Gather::channels(first))
            }
            Saved::Add { a, b, out } => {
                let Some(dy) = grads.0[out] else { return Ok(()) };
                self.contribute(grads, a, dy)?;
                self.contribute(grads, b, dy)
            }
            Saved::Gather { x, out, gather } => {
                self.undo_gather(grads, x, out, gather.transposed())
            }
            Saved::Affine { x, out, scale, zeros } => {
                let Some(dy) = grads.0[out].filter(|_| want_input) else { return Ok(()) };
                let input = self.value(x)?;
                let dx = self.gradient_buffer(input);
                let plan = ops::channel_affine::plan(input.whole())?;
                self.tape.push(plan, &[dy, scale, zeros, dx])?;
                self.contribute(grads, x, dx)
            }
        }
    }

    fn undo_gather(
        &mut self,
        grads: &mut Gradients,
        x: NodeId,
        out: NodeId,
        gather: ops::gather2d::Gather,
    ) -> Result<()> {
        let Some(dy) = grads.0[out] else { return Ok(()) };
        let (input, y) = (self.value(x)?, self.value(out)?);
        let dx = self.gradient_buffer(input);
        let plan = ops::gather2d::plan(y.whole(), input.whole(), gather)?;
        self.tape.push(plan, &[dy, dx])?;
        self.contribute(grads, x, dx)
    }

    fn undo_conv(
        &mut self,
        saved: &Saved,
        grads: &mut Gradients,
        gradients: Option<BufferId>,
        want_input: bool,
    ) -> Result<()> {
        let &Saved::Conv { conv, layer, x, out, residual, mask, bias } = saved else {
            return Ok(());
        };
        let Some(mut dy) = grads.0[out] else { return Ok(()) };
        let mut mask = mask;
        if let Some(other) = residual {
            // The masked gradient itself flows on along the shortcut.
            if let Some(mask) = mask.take() {
                let value = self.value(out)?;
                let masked = self.gradient_buffer(value);
                let plan = ops::mask_gradient::plan(value.shape, value.copies)?;
                self.tape.push(plan, &[dy, mask, masked])?;
                dy = masked;
            }
            self.contribute(grads, other, dy)?;
        }
        if let (Mode::Training, Some(gradients)) = (self.mode, gradients) {
            self.weight_gradient(conv, layer, x, dy, gradients)?;
            if bias {
                self.bias_gradient(conv.y, layer, dy, gradients)?;
            }
        }
        if !self.wanted(x, want_input) {
            return Ok(());
        }
        let input = self.value(x)?;
        let earlier = grads.0[x];
        let fusion =
            Fusion { mask_in: mask.is_some(), residual: earlier.is_some(), ..Fusion::default() };
        let dx = self.gradient_buffer(input);
        let [unused_in, unused_out] = self.unused();
        let plan = ops::conv2d::plan(conv.grad_input(), fusion)?;
        let wt = self.layers.wt[layer];
        let (sum, mask) = (earlier.unwrap_or(unused_in), mask.unwrap_or(unused_in));
        self.tape.push(plan, &[dy, wt, unused_in, sum, mask, dx, unused_out])?;
        grads.0[x] = Some(dx);
        Ok(())
    }

    fn weight_gradient(
        &mut self,
        conv: ops::conv2d::Conv2d,
        layer: usize,
        x: NodeId,
        dy: BufferId,
        gradients: BufferId,
    ) -> Result<()> {
        let plan = ops::conv2d_grad_weight::plan(conv)?;
        let partial = self.tape.transient("weight gradient", plan.bytes[2]);
        let input = self.value(x)?.id;
        let (x, dy) = if conv.transposed { (dy, input) } else { (input, dy) };
        self.tape.push(plan, &[x, dy, partial])?;
        // Rows of a partial result are the input channels, of a transposed convolution the output
        // channels; PyTorch stores [K, C, R, S] and [C, K, R, S]: columns first in both.
        let plan = ops::weight_gradient::plan(
            ops::conv2d_grad_weight::partial_shape(conv),
            ops::conv2d_grad_weight::chunks(conv),
            false,
            self.vectors.weight[layer],
            self.vectors.len,
        )?;
        self.tape.push(plan, &[partial, gradients])
    }

    fn bias_gradient(
        &mut self,
        y: Nhwc,
        layer: usize,
        dy: BufferId,
        gradients: BufferId,
    ) -> Result<()> {
        let Some(offset) = self.vectors.shift[layer] else { return Ok(()) };
        let plan = ops::channel_sum::plan(y)?;
        let partial = self.tape.transient("bias gradient", plan.bytes[1]);
        self.tape.push(plan, &[dy, partial])?;
        let rows = ops::channel_sum::chunks(y);
        let plan = ops::sum_partials::plan(rows, 4 * y.c4(), y.c, offset, self.vectors.len)?;
        self.tape.push(plan, &[partial, gradients])
    }

    /// Adds a gradient to what a node has.
    fn contribute(&mut self, grads: &mut Gradients, node: NodeId, dx: BufferId) -> Result<()> {
        grads.0[node] = Some(match grads.0[node] {
            None => dx,
            Some(earlier) => {
                let value = self.value(node)?;
                let sum = self.gradient_buffer(value);
                self.tape.push(ops::add::plan(value.whole())?, &[earlier, dx, sum])?;
                sum
            }
        });
        Ok(())
    }

    fn gradient_buffer(&mut self, value: Value) -> BufferId {
        self.tape.transient("gradient", value.whole().bytes())
    }
}
