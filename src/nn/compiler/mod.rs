//! The compiler: a graph becomes fused dispatches on a tape.
//!
//! A batch may come in *parts*, each small enough for one binding. In training every node runs for
//! all parts before the next one does, so that batch norm sees the whole batch; a frozen network is
//! compiled once per part, which needs the memory of one.

mod backward;
mod conv;
mod forward;
mod norm;
mod saved;

use super::{
    convolution::{Algorithm, ConvOperands, Convolution},
    graph::{Graph, NodeId},
};
use crate::{
    error::{Error, Result},
    kernels::{
        conv::conv2d::{Conv2d, Epilogue},
        plan,
        winograd::Form,
    },
    run::{BufferId, Gpu, Tape},
    shape::Nhwc,
};
use saved::Saved;

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

/// Dequantised weights of some output channels of a layer: all of them, unless they would not fit
/// one binding.
#[derive(Clone, Copy, Debug)]
pub struct ChannelSlice {
    /// First output channel.
    pub first: u32,
    /// Number of output channels.
    pub k: u32,
    /// `[copies, R, S, C, k]`.
    pub w: BufferId,
    /// `[copies, R, S, k, C]`, for input gradients; a fully connected layer's is `[copies, k, R S C]`.
    pub wt: Option<BufferId>,
}

/// Dequantised weights of every layer, `copies` sets of each.
#[derive(Clone, Debug)]
pub struct Layers {
    /// Slices of each layer.
    pub slices: Vec<Vec<ChannelSlice>>,
    /// Number of sets of weights.
    pub copies: u32,
}

/// Where scales, shifts, biases, batch-norm parameters and learned images come from: one flat buffer
/// and offsets.
#[derive(Clone, Debug)]
pub struct Vectors {
    /// Flat buffer of all vectors.
    pub buffer: BufferId,
    /// Length of the buffer in floats.
    pub len: u32,
    /// Frozen: offset of the scale behind each layer that a batch norm follows.
    pub scale: Vec<Option<u32>>,
    /// Frozen: offset of the shift behind each layer. Training: offset of its bias.
    pub shift: Vec<Option<u32>>,
    /// Offset of the learned image, if there is one.
    pub image: Option<u32>,
    /// Training: offsets of gamma and beta of each batch norm.
    pub norm: Vec<[u32; 2]>,
    /// Frozen: offsets of the scale and the shift of each batch norm that is folded into no layer.
    pub alone: Vec<Option<[u32; 2]>>,
    /// Training: offset of the weights of each layer.
    pub weight: Vec<u32>,
}

/// Buffers through which an injector tells a program of faults in quantised activations, and hears of flips.
#[derive(Clone, Copy, Debug)]
pub struct FaultyActivations {
    /// What the host says of the faults ([`crate::kernels::quantise::fault_activations::control`]).
    pub faults: BufferId,
    /// Flipped bits `[copies, buffers, 8]`.
    pub flips: BufferId,
    /// Index of the first image in its batch.
    pub first: u32,
}

/// What faulty biases add to the outputs of layers, for each copy.
#[derive(Clone, Debug)]
pub struct BiasShifts {
    /// f32 `[copies, len]`.
    pub buffer: BufferId,
    /// Shifts of a copy.
    pub len: u32,
    /// Per layer, the offset of its first channel's shift, if its bias can fail.
    pub offsets: Vec<Option<u32>>,
}

/// State that only training has.
#[derive(Clone, Debug, Default)]
pub struct TrainingState {
    /// Running mean and variance per batch norm.
    pub running: Vec<BufferId>,
    /// Seed of the step's dropout.
    pub seed: Option<BufferId>,
}

/// The value of a node on the tape: `copies` tensors of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeValue {
    /// Buffer that holds all copies.
    pub id: BufferId,
    /// Shape of one copy.
    pub shape: Nhwc,
    /// Number of copies: 1 before the first layer with several sets of weights.
    pub copies: u32,
}

impl NodeValue {
    /// All copies as one batch, for kernels that treat them alike.
    fn whole(self) -> Nhwc {
        Nhwc { n: self.shape.n * self.copies, ..self.shape }
    }
}

/// Turns one graph into dispatches for one batch size.
#[derive(Debug)]
pub struct Compiler<'a> {
    gpu: &'a Gpu,
    /// The tape while it is being written to; empty in between.
    tape: Tape,
    graph: &'a Graph,
    mode: Mode,
    /// Precision in which inputs, weights and gradients enter products.
    dtype: plan::Dtype,
    layers: Layers,
    vectors: Vectors,
    state: TrainingState,
    /// Per node, the value of each part.
    values: Vec<Option<Vec<NodeValue>>>,
    saved: Vec<Saved>,
    done: Vec<bool>,
    /// Stand-ins for bindings that an epilogue leaves out: one to read, one to write.
    unused: [BufferId; 2],
    /// Names what the entries appended next compute: layer, network and pass.
    place: String,
    convolutions: Vec<Convolution>,
    activations: Option<FaultyActivations>,
    bias_shifts: Option<BiasShifts>,
}

impl<'a> Compiler<'a> {
    /// A compiler that appends `graph` to `tape`. `state` is empty except in training mode.
    pub fn new(
        gpu: &'a Gpu,
        tape: &mut Tape,
        graph: &'a Graph,
        mode: Mode,
        layers: Layers,
        vectors: Vectors,
        state: TrainingState,
    ) -> Self {
        let unused = [tape.kept("unused input", 16), tape.kept("unused output", 16)];
        let (values, done) = (vec![None; graph.nodes.len()], vec![false; graph.nodes.len()]);
        let (saved, tape) = (Vec::new(), Tape::new());
        let dtype = plan::Dtype::F32;
        Self {
            gpu,
            tape,
            graph,
            mode,
            dtype,
            layers,
            vectors,
            state,
            values,
            saved,
            done,
            unused,
            place: String::new(),
            convolutions: Vec::new(),
            activations: None,
            bias_shifts: None,
        }
    }

    /// Lets quantised activations behind a layer fail, as these buffers say.
    #[must_use]
    pub fn with_faulty_activations(self, activations: Option<FaultyActivations>) -> Self {
        Self { activations, ..self }
    }

    /// Adds to the outputs of layers what the faulty biases of each copy differ by.
    #[must_use]
    pub fn with_bias_shifts(self, bias_shifts: Option<BiasShifts>) -> Self {
        Self { bias_shifts, ..self }
    }

    /// Says which image of its batch the first one is, which decides over the faults of activations.
    #[must_use]
    pub fn from_image(self, first: u32) -> Self {
        let activations = self.activations.map(|of| FaultyActivations { first, ..of });
        Self { activations, ..self }
    }

    /// Sets the precision of the operands of products; without this call it is f32.
    #[must_use]
    pub fn with_dtype(self, dtype: plan::Dtype) -> Self {
        Self { dtype, ..self }
    }

    /// Appends the forward pass from the images to the output.
    ///
    /// # Errors
    /// The graph cannot run in this mode, or shapes do not fit.
    pub fn forward(&mut self, tape: &mut Tape, images: NodeValue) -> Result<NodeValue> {
        Ok(self.forward_parts(tape, &[images])?[0])
    }

    /// Appends the forward pass of a batch that comes in parts.
    ///
    /// # Errors
    /// As [`Self::forward`]; there is no part, or there are several parts of a network that does not
    /// train.
    pub fn forward_parts(
        &mut self,
        tape: &mut Tape,
        images: &[NodeValue],
    ) -> Result<Vec<NodeValue>> {
        if images.is_empty() || images.len() > 1 && self.mode != Mode::Training {
            let what = format!("{}: {} parts of a batch", self.graph.name, images.len());
            return Err(Error::Shape(what));
        }
        std::mem::swap(&mut self.tape, tape);
        let output = self.run_forward(images);
        std::mem::swap(&mut self.tape, tape);
        output
    }

    /// Appends the backward pass. `dy` is the gradient of the output, in the layout of its value;
    /// `gradients` is the flat buffer of parameter gradients (training only). Returns the gradient of
    /// the images if it is wanted; copies that share the images have one gradient, which is their sum.
    ///
    /// # Errors
    /// Shapes do not fit, nothing was kept for a gradient ([`Mode::Inference`]), or training has no
    /// buffer of gradients.
    pub fn backward(
        &mut self,
        tape: &mut Tape,
        dy: BufferId,
        gradients: Option<BufferId>,
        want_input: bool,
    ) -> Result<Option<BufferId>> {
        let input = self.backward_parts(tape, &[dy], gradients, want_input)?;
        Ok(input.map(|parts| parts[0]))
    }

    /// Appends the backward pass of a batch that comes in parts.
    pub fn backward_parts(
        &mut self,
        tape: &mut Tape,
        dy: &[BufferId],
        gradients: Option<BufferId>,
        want_input: bool,
    ) -> Result<Option<Vec<BufferId>>> {
        std::mem::swap(&mut self.tape, tape);
        let input = self.run_backward(dy, gradients, want_input);
        std::mem::swap(&mut self.tape, tape);
        input
    }

    /// The parts of a node's value; nodes inside a fused step have none.
    fn parts(&self, node: NodeId) -> Result<Vec<NodeValue>> {
        self.values[node]
            .clone()
            .ok_or_else(|| Error::Shape(format!("{}: node {node} was fused away", self.graph.name)))
    }

    /// Sets the name of what the next entries of the tape compute.
    fn mark(&mut self, node: NodeId, pass: &str) {
        let (network, layer) = (&self.graph.name, self.graph.name_of(node));
        self.place = format!("{layer} of {network}, {pass}");
        self.tape.mark(self.place.clone());
    }

    /// Appends a convolution by the algorithm that is chosen for this adapter, among Winograd's forms one
    /// with tiles of `largest` at most.
    fn convolve(
        &mut self,
        (conv, largest): (Conv2d, Form),
        epilogue: Epilogue,
        operands: &ConvOperands,
    ) -> Result<()> {
        let (first, algorithm) = (self.tape.len(), Algorithm::choose(self.gpu, conv, largest)?);
        algorithm.append(&mut self.tape, conv, epilogue, operands)?;
        let (entries, operands) = (first..self.tape.len(), *operands);
        let name = self.place.clone();
        self.convolutions.push(Convolution { name, entries, algorithm, conv, epilogue, operands });
        Ok(())
    }

    /// The convolutions that were appended so far.
    #[must_use]
    pub fn convolutions(&self) -> &[Convolution] {
        &self.convolutions
    }

    fn set(&mut self, node: NodeId, parts: Vec<NodeValue>) {
        self.values[node] = Some(parts);
        self.done[node] = true;
    }

    /// Number of images of the whole batch.
    fn batch(&self) -> u32 {
        let parts = self.values[self.graph.input()].iter().flatten();
        parts.map(|part| part.shape.n).sum()
    }
}
