//! The backward pass: from the gradient of the output to those of the input and, in training, of
//! every parameter.

use super::{Compiler, Form, Mode, NodeValue, Saved, saved::ChannelScales};
use crate::{
    error::{Error, Result},
    kernels::{
        conv::{
            self,
            conv2d::{Conv2d, Epilogue},
        },
        elementwise,
        layout::{self, gather2d::Gather},
        plan::Accumulate,
        pool, reduce,
    },
    nn::{
        convolution::ConvOperands,
        graph::{NodeId, Op},
    },
    run::BufferId,
};

/// Gradients accumulated so far, per node and part.
struct Gradients(Vec<Option<Vec<BufferId>>>);

impl Compiler<'_> {
    pub(super) fn run_backward(
        &mut self,
        dy: &[BufferId],
        gradients: Option<BufferId>,
        want_input: bool,
    ) -> Result<Option<Vec<BufferId>>> {
        let name = &self.graph.name;
        if self.mode == Mode::Inference {
            return Err(Error::Shape(format!("{name} keeps nothing for gradients in inference")));
        }
        if self.mode == Mode::Training && gradients.is_none() {
            return Err(Error::Shape(format!("{name} trains without a buffer of gradients")));
        }
        if dy.len() != self.parts(self.graph.output())?.len() {
            return Err(Error::Shape(format!("{name}: {} parts of a gradient", dy.len())));
        }
        let mut grads = Gradients(vec![None; self.graph.nodes.len()]);
        grads.0[self.graph.output()] = Some(dy.to_vec());
        for saved in std::mem::take(&mut self.saved).into_iter().rev() {
            self.mark(saved.node(self.graph), "backward");
            self.undo(&saved, &mut grads, gradients, want_input)?;
        }
        Ok(grads.0[self.graph.input()].take())
    }

    /// Whether the gradient of a node's value is needed: not that of images, normalised or padded or as they are.
    fn wanted(&self, node: NodeId, want_input: bool) -> bool {
        let (op, inputs) = (&self.graph.nodes[node].op, &self.graph.nodes[node].inputs);
        let prepares = matches!(op, Op::Affine { .. } | Op::Gather(_));
        want_input || inputs.iter().any(|&x| !prepares || self.wanted(x, false))
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
            Saved::BatchNorm { x, out, .. } => {
                let (Some(dy), Some(gradients)) = (grads.0[out].clone(), gradients) else {
                    return Ok(());
                };
                let dx = self.undo_batch_norm(saved, &dy, gradients)?;
                self.contribute(grads, x, dx)
            }
            Saved::Activation { x, out, act } => {
                let outputs = self.parts(out)?;
                self.undo_each(grads, x, out, |own, i, _, dy, dx| {
                    let y = outputs[i];
                    own.tape
                        .push(elementwise::activation::plan_grad(y.whole(), act)?, &[dy, y.id, dx])
                })
            }
            Saved::MaxPool { x, out, window, ref args } => {
                self.undo_each(grads, x, out, |own, i, input, dy, dx| {
                    let plan = pool::max_pool::plan_grad(input.whole(), window)?;
                    own.tape.push(plan, &[dy, args[i], dx])
                })
            }
            Saved::LeakyRelu { x, out, slope } => {
                let outputs = self.parts(out)?;
                self.undo_each(grads, x, out, |own, i, input, dy, dx| {
                    let plan = elementwise::leaky_relu::plan_grad(input.whole(), slope)?;
                    own.tape.push(plan, &[dy, outputs[i].id, dx])
                })
            }
            Saved::Pointwise { x, out, function } => {
                self.undo_each(grads, x, out, |own, _, input, dy, dx| {
                    let plan = elementwise::pointwise::plan_grad(input.whole(), function)?;
                    own.tape.push(plan, &[dy, input.id, dx])
                })
            }
            Saved::AvgPool { x, out, window, divisor } => {
                self.undo_each(grads, x, out, |own, _, input, dy, dx| {
                    let plan = pool::avg_pool::plan_grad(input.whole(), window, divisor)?;
                    own.tape.push(plan, &[dy, dx])
                })
            }
            Saved::Upsample { x, out, factor } => {
                self.undo_each(grads, x, out, |own, _, input, dy, dx| {
                    let plan = layout::upsample_nearest::plan_grad(input.whole(), factor)?;
                    own.tape.push(plan, &[dy, dx])
                })
            }
            Saved::Concat { a, b, out } => {
                let first = self.graph.nodes[a].chw[0].cast_signed();
                self.undo_gather(grads, a, out, Gather::channels(0))?;
                self.undo_gather(grads, b, out, Gather::channels(first))
            }
            Saved::Add { a, b, out } => {
                let Some(dy) = grads.0[out].clone() else { return Ok(()) };
                self.contribute(grads, a, dy.clone())?;
                self.contribute(grads, b, dy)
            }
            Saved::Same { x, out } => match grads.0[out].clone() {
                Some(dy) => self.contribute(grads, x, dy),
                None => Ok(()),
            },
            Saved::Gather { x, .. } | Saved::Affine { x, .. } if !self.wanted(x, want_input) => {
                Ok(())
            }
            Saved::Gather { x, out, gather } => {
                self.undo_gather(grads, x, out, gather.transposed())
            }
            Saved::Affine { x, out, scales: ChannelScales { affine, len, scale } } => self
                .undo_each(grads, x, out, |own, _, input, dy, dx| {
                    let plan = elementwise::channel_affine::plan(input.whole(), scale, None, len)?;
                    own.tape.push(plan, &[dy, affine, dx])
                }),
            Saved::Multiply { a, b, out } => {
                let (of_a, of_b) = (self.parts(a)?, self.parts(b)?);
                self.undo_each(grads, a, out, |own, i, input, dy, dx| {
                    let plan = elementwise::multiply::plan(input.whole(), of_b[i].whole())?;
                    own.tape.push(plan, &[dy, of_b[i].id, dx])
                })?;
                self.undo_each(grads, b, out, |own, i, input, dy, dx| {
                    let a = of_a[i];
                    let plan = if a.shape == input.shape {
                        elementwise::multiply::plan(a.whole(), a.whole())?
                    } else {
                        reduce::image_dot::plan(a.whole())?
                    };
                    own.tape.push(plan, &[dy, a.id, dx])
                })
            }
            Saved::Rearrange { x, out } => {
                let [from, to] = [x, out].map(|node| self.graph.nodes[node].chw);
                let Op::Rearrange { table, .. } = &self.graph.nodes[out].op else {
                    return Err(Error::Shape(format!("node {out} rearranges nothing")));
                };
                let back = layout::rearrange::inverse(table, from)?;
                let back = layout::rearrange::in_memory(&back, to, from)?;
                let table = self.constant("where gradients come from", &back)?;
                let outputs = self.parts(out)?;
                self.undo_each(grads, x, out, |own, i, input, dy, dx| {
                    let plan = layout::rearrange::plan(outputs[i].whole(), input.whole(), 0.0)?;
                    own.tape.push(plan, &[dy, table, dx])
                })
            }
            Saved::Dropout { x, out, p } => {
                let Some(seed) = self.state.seed else { return Ok(()) };
                let mut first = 0;
                self.undo_each(grads, x, out, |own, _, input, dy, dx| {
                    let plan = own.dropout_plan(out, input.shape, p, first)?;
                    first += input.shape.n;
                    own.tape.push(plan, &[dy, seed, dx])
                })
            }
            Saved::LearnedImage { out } => {
                let (Some(dy), Some(gradients)) = (grads.0[out].clone(), gradients) else {
                    return Ok(());
                };
                let offset = self.vectors.image.unwrap_or(0);
                for (i, value) in self.parts(out)?.into_iter().enumerate() {
                    let into = Accumulate::of_part(i);
                    let len = self.vectors.len;
                    let plan =
                        elementwise::learned_image::plan_grad(value.shape, offset, len, into)?;
                    self.tape.push(plan, &[dy[i], gradients])?;
                }
                Ok(())
            }
        }
    }

    /// One dispatch per part from the gradient of `out` to that of `x`; `push` gets the part, the
    /// value of x, dy and dx.
    fn undo_each(
        &mut self,
        grads: &mut Gradients,
        x: NodeId,
        out: NodeId,
        mut push: impl FnMut(&mut Self, usize, NodeValue, BufferId, BufferId) -> Result<()>,
    ) -> Result<()> {
        let Some(dy) = grads.0[out].clone() else { return Ok(()) };
        let mut dx = Vec::new();
        for (i, input) in self.parts(x)?.into_iter().enumerate() {
            let d = self.gradient_buffer(input);
            push(self, i, input, dy[i], d)?;
            dx.push(d);
        }
        self.contribute(grads, x, dx)
    }

    fn undo_gather(
        &mut self,
        grads: &mut Gradients,
        x: NodeId,
        out: NodeId,
        gather: Gather,
    ) -> Result<()> {
        let outputs = self.parts(out)?;
        self.undo_each(grads, x, out, |own, i, input, dy, dx| {
            let plan = layout::gather2d::plan(outputs[i].whole(), input.whole(), gather)?;
            own.tape.push(plan, &[dy, dx])
        })
    }

    fn undo_conv(
        &mut self,
        saved: &Saved,
        grads: &mut Gradients,
        gradients: Option<BufferId>,
        want_input: bool,
    ) -> Result<()> {
        let Saved::Conv { convs, layer, x, out, residual, masks, bias } = saved else {
            return Ok(());
        };
        let Some(mut dy) = grads.0[*out].clone() else { return Ok(()) };
        let mut masks = masks.clone();
        if let Some(other) = *residual {
            // The masked gradient itself flows on along the shortcut.
            if let Some(mask) = masks.pop() {
                let value = self.parts(*out)?[0];
                let masked = self.gradient_buffer(value);
                let plan = elementwise::mask_gradient::plan(value.shape, value.copies)?;
                self.tape.push(plan, &[dy[0], mask, masked])?;
                dy = vec![masked];
            }
            self.contribute(grads, other, dy.clone())?;
        }
        if let (Mode::Training, Some(gradients)) = (self.mode, gradients) {
            self.weight_gradient(convs, *layer, *x, &dy, gradients)?;
            if *bias {
                self.bias_gradient(convs, *layer, &dy, gradients)?;
            }
        }
        if !self.wanted(*x, want_input) {
            return Ok(());
        }
        let mut sums = Vec::new();
        for (part, input) in self.parts(*x)?.into_iter().enumerate() {
            let earlier = grads.0[*x].as_ref().map(|parts| parts[part]);
            sums.push(self.input_gradient(
                convs[part],
                *layer,
                input,
                dy[part],
                &masks,
                earlier,
            )?);
        }
        grads.0[*x] = Some(sums);
        Ok(())
    }

    /// Appends the gradient of a layer's input, added to the `earlier` gradient of that input.
    fn input_gradient(
        &mut self,
        conv: Conv2d,
        layer: usize,
        input: NodeValue,
        dy: BufferId,
        masks: &[BufferId],
        mut earlier: Option<BufferId>,
    ) -> Result<BufferId> {
        let slices = self.layers.slices[layer].clone();
        let [unused_in, unused_out] = self.unused;
        let copies = conv.copies;
        let whole = |c: u32| crate::shape::Nhwc { n: conv.y.n * copies, ..conv.y.with_c(c) };
        for (i, slice) in slices.iter().enumerate() {
            let Some(wt) = slice.wt else {
                let what = format!("{} was made without transposed weights", self.graph.name);
                return Err(Error::Shape(what));
            };
            let part = Conv2d { y: conv.y.with_c(slice.k), ..conv };
            let mut dy = dy;
            if slices.len() > 1 {
                let from = Gather::channels(slice.first.cast_signed());
                let own = self.tape.transient("slice of a gradient", whole(slice.k).bytes());
                let plan = layout::gather2d::plan(whole(conv.y.c), whole(slice.k), from)?;
                self.tape.push(plan, &[dy, own])?;
                dy = own;
            }
            let mask = masks.get(i).copied();
            let epilogue = Epilogue {
                mask_in: mask.is_some(),
                residual: earlier.is_some(),
                ..Epilogue::default()
            };
            let dx = self.gradient_buffer(input);
            let operands = ConvOperands {
                x: dy,
                w: wt,
                affine: unused_in,
                residual: earlier.unwrap_or(unused_in),
                mask_in: mask.unwrap_or(unused_in),
                y: dx,
                mask_out: unused_out,
            };
            let conv = part.grad_input();
            self.convolve((conv, Form::F4), epilogue, &operands)?;
            earlier = Some(dx);
        }
        earlier.ok_or_else(|| Error::Shape("a layer without weights".into()))
    }

    fn weight_gradient(
        &mut self,
        convs: &[Conv2d],
        layer: usize,
        x: NodeId,
        dy: &[BufferId],
        gradients: BufferId,
    ) -> Result<()> {
        // Rows of a partial result are the input channels (of a transposed convolution, the output
        // channels). PyTorch stores [K, C, R, S], or [C, K, R, S] if transposed: in both, the
        // channels of the columns come first. A fully connected layer's channels are the pixels and
        // channels of its image.
        let shape = self.graph.layers[layer].shape;
        let shape = if convs[0].transposed { shape.transposed() } else { shape };
        // Part by part: the partial results of a whole batch would outgrow a binding.
        for (part, input) in self.parts(x)?.into_iter().enumerate() {
            let conv = convs[part];
            let plan = conv::conv2d_grad_weight::plan(conv)?;
            let partial = self.tape.transient("weight gradient", plan.bytes[2]);
            let (x, dy) = if conv.transposed { (dy[part], input.id) } else { (input.id, dy[part]) };
            self.tape.push(plan, &[x, dy, partial])?;
            let plan = conv::weight_gradient::plan(
                shape,
                conv::conv2d_grad_weight::chunks(conv),
                false,
                self.vectors.weight[layer],
                self.vectors.len,
                Accumulate::of_part(part),
            )?;
            self.tape.push(plan, &[partial, gradients])?;
        }
        Ok(())
    }

    fn bias_gradient(
        &mut self,
        convs: &[Conv2d],
        layer: usize,
        dy: &[BufferId],
        gradients: BufferId,
    ) -> Result<()> {
        let Some(offset) = self.vectors.shift[layer] else { return Ok(()) };
        let copies = 1;
        let values: Vec<NodeValue> =
            convs.iter().zip(dy).map(|(c, &id)| NodeValue { id, shape: c.y, copies }).collect();
        let plan = |value: NodeValue| Ok((reduce::channel_sum::plan(value.shape)?, vec![value.id]));
        let partial = self.partials("bias gradient", &values, plan)?;
        let rows = convs.iter().map(|c| reduce::chunking::chunks(c.y)).sum();
        let y = convs[0].y;
        let plan = reduce::sum_partials::plan(rows, 4 * y.c4(), y.c, offset, self.vectors.len)?;
        self.tape.push(plan, &[partial, gradients])
    }

    /// Adds `dx` to the gradient of a node's value.
    fn contribute(&mut self, grads: &mut Gradients, node: NodeId, dx: Vec<BufferId>) -> Result<()> {
        let Some(earlier) = grads.0[node].take() else {
            grads.0[node] = Some(dx);
            return Ok(());
        };
        let mut sums = Vec::new();
        for ((value, a), b) in self.parts(node)?.into_iter().zip(earlier).zip(dx) {
            let sum = self.gradient_buffer(value);
            self.tape.push(elementwise::add::plan(value.whole())?, &[a, b, sum])?;
            sums.push(sum);
        }
        grads.0[node] = Some(sums);
        Ok(())
    }

    pub(super) fn gradient_buffer(&mut self, value: NodeValue) -> BufferId {
        self.tape.transient("gradient", value.whole().bytes())
    }
}
