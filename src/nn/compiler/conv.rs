//! Forward pass of convolutions and fully connected layers, with the operations that can be fused
//! with them.

use super::{ChannelSlice, Compiler, Mode, NodeValue, Saved};
use crate::{
    error::{Error, Result},
    kernels::{
        conv::conv2d::{Conv2d, Epilogue, mask_bytes},
        elementwise::{self, pointwise::Pointwise},
        layout,
        plan::Dtype,
    },
    nn::{
        convolution::{ConvOperands, largest_form},
        graph::{NodeId, Op},
    },
    run::BufferId,
    shape::{Nhwc, Window},
};

/// Operations that run in one dispatch with a layer.
struct LayerDispatch {
    epilogue: Epilogue,
    /// The node whose value the dispatch writes.
    out: NodeId,
    residual: Option<NodeId>,
    /// Whether the shift is a bias that training must differentiate.
    bias: bool,
}

/// Where a `ReLU` ends, if the operation is one: `ReLU6` is a clip from 0 to 6.
fn ceiling_of(op: &Op) -> Option<Option<f32>> {
    match *op {
        Op::Relu => Some(None),
        // A clip up to the largest number is open above.
        Op::Pointwise(Pointwise::Clip { low: 0.0, high }) => {
            Some((high < f32::MAX).then_some(high))
        }
        _ => None,
    }
}

impl Compiler<'_> {
    /// Index of the layer of `node`, and its convolution on the input `x`.
    fn gather_of(&self, node: NodeId, x: Nhwc) -> Result<(usize, Conv2d)> {
        let k = self.graph.nodes[node].chw[0];
        match self.graph.nodes[node].op {
            Op::Conv { layer, window, transposed: true, dilation } => {
                let chw = self.graph.nodes[node].chw;
                Ok((layer, Conv2d::transposed_to(x, chw, window, dilation)?))
            }
            Op::Conv { layer, window, dilation, .. } => {
                let groups = self.graph.layers[layer].groups;
                Ok((layer, Conv2d::grouped(x, k, window, groups, dilation)?))
            }
            Op::Linear { layer } => {
                // A fully connected layer is a 1x1 convolution of one row: each image is a pixel of
                // it, and all values of the image are the channels.
                let c = if x.h * x.w == 1 { x.c } else { x.h * x.w * x.c };
                if x.h * x.w > 1 && !x.c.is_multiple_of(4) {
                    let what = format!("a fully connected layer on {x}: channels in fours");
                    return Err(Error::Shape(what));
                }
                let row = Nhwc::new(1, 1, x.n, c);
                Ok((layer, Conv2d::forward(row, k, Window::square(1, 1, 0))?))
            }
            _ => Err(Error::Shape(format!("node {node} is no layer"))),
        }
    }

    pub(super) fn conv(&mut self, node: NodeId) -> Result<()> {
        let x = self.graph.nodes[node].inputs[0];
        let inputs = self.parts(x)?;
        let (layer, _) = self.gather_of(node, inputs[0].shape)?;
        let slices = self.layers.slices[layer].clone();
        let dispatch = self.dispatch_of(node, layer, slices.len());
        self.done[node] = true;
        let (mut convs, mut outputs, mut masks) = (Vec::new(), Vec::new(), Vec::new());
        for (part, input) in inputs.into_iter().enumerate() {
            let (_, mut conv) = self.gather_of(node, input.shape)?;
            conv.copies = self.layers.copies;
            // Groups and dilation are computed in f32 alone.
            conv.dtype = if conv.is_general() { Dtype::F32 } else { self.dtype };
            conv.shared_input = input.copies == 1 && conv.copies > 1;
            let mut results = Vec::new();
            for slice in &slices {
                let (y, mask) = self.conv_slice(part, input, conv, *slice, &dispatch)?;
                results.push(y);
                masks.extend(mask);
            }
            convs.push(conv);
            let y = self.join(&results)?;
            self.shift(layer, y)?;
            outputs.push(y);
        }
        let LayerDispatch { out, residual, bias, .. } = dispatch;
        self.set(out, outputs);
        self.saved.push(Saved::Conv { convs, layer, x, out, residual, masks, bias });
        Ok(())
    }

    /// The buffer of shifts of a layer's bias, the shifts of a copy, and the offset of the first, if the bias can fail.
    fn bias_shift(&self, layer: usize) -> Option<(BufferId, u32, u32)> {
        let shifts = self.bias_shifts.as_ref()?;
        Some((shifts.buffer, shifts.len, shifts.offsets.get(layer).copied().flatten()?))
    }

    /// Adds what the faulty bias of each copy differs by.
    fn shift(&mut self, layer: usize, y: NodeValue) -> Result<()> {
        let Some((shifts, len, offset)) = self.bias_shift(layer) else { return Ok(()) };
        let plan = elementwise::copy_shift::plan(y.shape, y.copies, offset, len)?;
        self.tape.push(plan, &[shifts, y.id])
    }

    /// What can run in one dispatch with the layer of `node`.
    fn dispatch_of(&mut self, node: NodeId, layer: usize, slices: usize) -> LayerDispatch {
        let graph = self.graph;
        let vectors = &self.vectors;
        let mut epilogue = Epilogue {
            affine_len: vectors.len,
            scale: vectors.scale[layer],
            shift: vectors.shift[layer],
            ..Epilogue::default()
        };
        if epilogue.scale.is_none() && epilogue.shift.is_none() {
            epilogue.affine_len = 0;
        }
        let (mut out, mut residual) = (node, None);
        let next =
            graph.sole_consumer(out).filter(|&n| matches!(graph.nodes[n].op, Op::BatchNorm(_)));
        let bias = next.is_none() && epilogue.shift.is_some();
        if self.mode != Mode::Training {
            if let Some(norm) = next {
                self.done[norm] = true;
                out = norm;
            }
            // What a faulty bias adds comes before anything but the batch norm.
            let shifted = self.bias_shift(layer).is_some();
            // With several slices the residual would have to be sliced too.
            if slices == 1
                && !shifted
                && let Some((sum, other)) = self.residual_behind(out, self.layers.copies)
            {
                self.done[sum] = true;
                residual = Some(other);
                epilogue.residual = true;
                out = sum;
            }
            // A transposed convolution records no signs: where the backward pass needs them, its ReLU
            // runs by itself.
            let transposed = matches!(graph.nodes[node].op, Op::Conv { transposed: true, .. });
            let alone = shifted || transposed && self.mode == Mode::Frozen;
            let next = graph.sole_consumer(out).filter(|_| !alone);
            let ceiling = next.and_then(|next| ceiling_of(&graph.nodes[next].op));
            if let (Some(relu), Some(ceiling)) = (next, ceiling) {
                epilogue.relu = true;
                epilogue.ceiling = ceiling;
                epilogue.mask_out = self.mode == Mode::Frozen;
                out = relu;
            }
        }
        LayerDispatch { epilogue, out, residual, bias }
    }

    /// The addition that is the only reader of `out`, and its other input, if that has been computed.
    fn residual_behind(&self, out: NodeId, copies: u32) -> Option<(NodeId, NodeId)> {
        let sum = self.graph.sole_consumer(out)?;
        let node = &self.graph.nodes[sum];
        if node.op != Op::Add {
            return None;
        }
        let other = *node.inputs.iter().find(|&&input| input != out)?;
        let value = self.values[other].as_ref()?.first()?;
        (value.copies == copies).then_some((sum, other))
    }

    /// Computes the output channels of one slice of the weights, and their sign bits if a gradient
    /// needs them.
    fn conv_slice(
        &mut self,
        part: usize,
        input: NodeValue,
        conv: Conv2d,
        slice: ChannelSlice,
        dispatch: &LayerDispatch,
    ) -> Result<(NodeValue, Option<BufferId>)> {
        let shift = |offset: Option<u32>| offset.map(|o| o + slice.first);
        let epilogue = Epilogue {
            scale: shift(dispatch.epilogue.scale),
            shift: shift(dispatch.epilogue.shift),
            ..dispatch.epilogue
        };
        let conv = Conv2d { y: conv.y.with_c(slice.k), ..conv };
        let mut y = self.output(dispatch.out, input.shape.n, conv.copies);
        if slice.k != y.shape.c {
            y.shape.c = slice.k;
            let bytes = y.whole().bytes();
            y.id = self.tape.transient("slice of channels", bytes);
        }
        let mask = epilogue
            .mask_out
            .then(|| self.tape.transient("ReLU mask", mask_bytes(conv.y, conv.copies)));
        let [unused_in, unused_out] = self.unused;
        let other = match dispatch.residual {
            Some(other) => self.parts(other)?[part].id,
            None => unused_in,
        };
        let affine = if epilogue.affine_len > 0 { self.vectors.buffer } else { unused_in };
        let operands = ConvOperands {
            x: input.id,
            w: slice.w,
            affine,
            residual: other,
            mask_in: unused_in,
            y: y.id,
            mask_out: mask.unwrap_or(unused_out),
        };
        self.convolve((conv, largest_form(self.graph)), epilogue, &operands)?;
        Ok((y, mask))
    }

    /// Joins the channels of all slices into one tensor.
    fn join(&mut self, slices: &[NodeValue]) -> Result<NodeValue> {
        let Some((&first, rest)) = slices.split_first() else {
            return Err(Error::Shape("a layer without weights".into()));
        };
        let mut whole = first;
        for slice in rest {
            let shape = whole.shape.with_c(whole.shape.c + slice.shape.c);
            let joined = NodeValue { shape, ..whole };
            let id = self.tape.transient("channels", joined.whole().bytes());
            let plan = layout::concat_channels::plan(whole.whole(), slice.whole())?;
            self.tape.push(plan, &[whole.id, slice.id, id])?;
            whole = NodeValue { id, ..joined };
        }
        Ok(whole)
    }
}
