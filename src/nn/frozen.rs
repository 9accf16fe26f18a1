//! A network with fixed weights: quantised once on the host, batch norm folded. [`super::injector`] fills its
//! copies. [`super::floats`] makes one with the weights as they are.

use super::{
    activations::ActivationMemory,
    biases::BiasMemory,
    compiler::{ChannelSlice, Compiler, Layers, Mode, TrainingState, Vectors},
    faulty::stored_layers,
    folded::Folded,
    graph::{Graph, Layer},
};
use crate::{
    error::{Error, Result},
    fault::{Memory, Quantized},
    files::Weights,
    gpu::Buffer,
    kernels::{
        plan::Dtype,
        quantise::fault_dequantize::{Order, WordMeaning, of_gradient, stored_at},
    },
    run::{Gpu, Tape},
    shape::Rsck,
};
use std::sync::{Arc, atomic::AtomicU64};

/// Quantised weights and folded vectors of a network on a device, and `copies` dequantised sets.
#[derive(Debug)]
pub struct FrozenNet {
    /// The network.
    pub graph: Graph,
    /// Scales of all layers, and behind those of a layer its zero points.
    pub(super) scales: Buffer,
    pub(super) scales_len: u32,
    /// The words of each layer; none where weights are not quantised.
    pub(super) words: Vec<LayerWords>,
    pub(super) copies: u32,
    dtype: Dtype,
    pub(super) layers: Vec<Vec<StoredSlice>>,
    pub(super) folded: Buffer,
    pub(super) folded_len: u32,
    pub(super) scale: Vec<Option<u32>>,
    shift: Vec<Option<u32>>,
    alone: Vec<Option<[u32; 2]>>,
    image: Option<u32>,
    /// Number of injectors made so far; their ids count from 1. `last_injector` is the id of the one that ran
    /// last.
    pub(super) injectors: AtomicU64,
    pub(super) last_injector: Arc<AtomicU64>,
    /// What is between the injector and the programs where activations can fail.
    pub(super) activations: Option<ActivationMemory>,
    /// The same where biases can fail.
    pub(super) biases: Option<BiasMemory>,
}

/// What the words of a layer are.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerWords {
    /// Bits of a word.
    pub(super) bits: u32,
    /// Index of the layer's first scale.
    pub(super) scale: u32,
    /// What they stand for.
    pub(super) meaning: WordMeaning,
}

impl LayerWords {
    /// What a layer's words are, and its scales and zero points appended to those of other layers.
    fn of(stored: &Quantized, scales: &mut Vec<f32>) -> Self {
        let parameters = &stored.parameters;
        let scale = scales.len() as u32;
        scales.extend(&parameters.scales);
        let zero_point = (!parameters.zero_points.is_empty()).then_some(scales.len() as u32);
        scales.extend(parameters.zero_points.iter().map(|&zero| zero as f32));
        let per_channel = parameters.scales.len() > 1;
        let meaning = WordMeaning {
            signed: parameters.signed,
            per_channel,
            zero_point,
            float: parameters.float,
        };
        Self { bits: stored.bits, scale, meaning }
    }

    /// The same for the output channels from `first` on.
    pub(super) fn behind(self, first: u32) -> Self {
        let first = if self.meaning.per_channel { first } else { 0 };
        let zero_point = self.meaning.zero_point.map(|zero| zero + first);
        let meaning = WordMeaning { zero_point, ..self.meaning };
        Self { scale: self.scale + first, meaning, ..self }
    }
}

/// Some output channels of a layer, in buffers that the adapter can bind.
#[derive(Debug)]
pub(super) struct StoredSlice {
    pub(super) first: u32,
    pub(super) k: u32,
    /// Stored words; none where weights are not quantised.
    pub(super) packed: Option<Buffer>,
    pub(super) w: Buffer,
    pub(super) wt: Option<Buffer>,
}

impl FrozenNet {
    /// Quantises a network to `bits`, but for layers whose words its file stores, and puts it on the device, with room for `copies` dequantised
    /// sets, which an [`Injector`](super::Injector) fills.
    ///
    /// # Errors
    /// A tensor is missing, has another shape or is not finite; a layer is too large even a few
    /// channels at a time; no memory is left.
    pub fn new(
        gpu: &Gpu,
        graph: &Graph,
        weights: &Weights,
        bits: u32,
        copies: u32,
    ) -> Result<Self> {
        Self::sliced(gpu, graph, weights, bits, copies, true, largest_binding(gpu))
    }

    /// Like [`Self::new`], but without the transposed weights that input gradients need, in half of the
    /// memory: only for [`Mode::Inference`].
    pub fn for_inference(
        gpu: &Gpu,
        graph: &Graph,
        weights: &Weights,
        bits: u32,
        copies: u32,
    ) -> Result<Self> {
        Self::sliced(gpu, graph, weights, bits, copies, false, largest_binding(gpu))
    }

    /// Like [`Self::new`] (with `gradients`) or [`Self::for_inference`] (without), with layers cut into
    /// slices of output channels that take at most `largest` bytes each (or have four channels).
    pub fn sliced(
        gpu: &Gpu,
        graph: &Graph,
        weights: &Weights,
        bits: u32,
        copies: u32,
        gradients: bool,
        largest: u64,
    ) -> Result<Self> {
        graph.check(weights)?;
        let (mut layers, mut scales, mut words_of) = (Vec::new(), Vec::new(), Vec::new());
        for (layer, stored) in graph.layers.iter().zip(stored_layers(graph, weights, bits)) {
            let (param, stored) = (&graph.params[layer.weight], stored?);
            words_of.push(LayerWords::of(&stored, &mut scales));
            let mut slices = Vec::new();
            for (first, k) in slices_of(layer, copies, largest) {
                let shape = Rsck { k, ..layer.shape };
                let bytes = shape.bytes() * u64::from(copies);
                let [from, to] = [first, first + k].map(|k| first_word(layer, k, stored.bits));
                let words = from as usize..to as usize;
                let packed = format!("{} stored", param.name);
                let in_wt = of_gradient(shape, layer.groups).bytes() * u64::from(copies);
                let wt = gradients
                    .then(|| Buffer::new(gpu, &format!("{} transposed", param.name), in_wt));
                slices.push(StoredSlice {
                    first,
                    k,
                    packed: Some(Buffer::with(gpu, &packed, &stored.words[words])?),
                    w: Buffer::new(gpu, &param.name, bytes)?,
                    wt: wt.transpose()?,
                });
            }
            layers.push(slices);
        }
        Self::of_layers(
            gpu,
            (graph, weights),
            (words_of, &scales),
            copies,
            layers,
            Folded::of(graph, weights)?,
        )
    }

    /// A network with these layers, which lie as these words with these scales.
    pub(super) fn of_layers(
        gpu: &Gpu,
        (graph, weights): (&Graph, &Weights),
        (words, scales): (Vec<LayerWords>, &[f32]),
        copies: u32,
        layers: Vec<Vec<StoredSlice>>,
        folded: Folded,
    ) -> Result<Self> {
        let Folded { values, scale, shift, alone, image } = folded;
        let factors = |layer: usize| -> Vec<f32> {
            let k = graph.layers[layer].shape.k as usize;
            scale[layer].map_or_else(Vec::new, |at| values[at as usize..][..k].to_vec())
        };
        let biases = BiasMemory::of(gpu, (graph, weights), factors, copies)?;
        Ok(Self {
            graph: graph.clone(),
            scales: Buffer::with(gpu, "scales", scales)?,
            scales_len: scales.len() as u32,
            words,
            copies,
            dtype: Dtype::F32,
            layers,
            folded: Buffer::with(gpu, "folded batch norm", &values)?,
            folded_len: values.len() as u32,
            scale,
            shift,
            alone,
            image,
            injectors: AtomicU64::new(0),
            last_injector: Arc::default(),
            activations: ActivationMemory::of(gpu, graph, copies)?,
            biases,
        })
    }

    /// Sets the precision of the operands of products; without this call it is f32.
    #[must_use]
    pub fn with_dtype(self, dtype: Dtype) -> Self {
        Self { dtype, ..self }
    }

    /// Precision in which inputs, weights and gradients enter products.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Whether weights are stored as floats, which faults can make infinite or NaN.
    #[must_use]
    pub fn stores_floats(&self) -> bool {
        self.words.iter().any(|words| words.meaning.float.is_some())
    }

    /// The buffer whose first two words say which images a program runs with: the index of the first one, and the number
    /// of all. It is there where activations can fail.
    #[must_use]
    pub fn activation_faults(&self) -> Option<&Buffer> {
        self.activations.as_ref().map(|memory| &memory.faults)
    }

    /// Number of dequantised sets of weights.
    #[must_use]
    pub fn copies(&self) -> u32 {
        self.copies
    }

    /// Bytes on the device: stored words and dequantised copies.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let of = |s: &StoredSlice| {
            let maybe = |buffer: &Option<Buffer>| buffer.as_ref().map_or(0, Buffer::bytes);
            maybe(&s.packed) + s.w.bytes() + maybe(&s.wt)
        };
        self.layers.iter().flatten().map(of).sum()
    }

    /// The dequantised weights of one copy, per layer in the order of the `state_dict` (PyTorch's
    /// `[K, C, R, S]`, transposed convolutions `[C, K, R, S]`). Waits for the device.
    pub fn read(&self, gpu: &Gpu, copy: u32) -> Result<Vec<Vec<f32>>> {
        if copy >= self.copies {
            return Err(Error::Shape(format!("copy {copy} of {}", self.copies)));
        }
        let layers = self.graph.layers.iter().zip(&self.layers);
        layers.map(|(layer, slices)| self.read_layer(gpu, layer, slices, copy as usize)).collect()
    }

    fn read_layer(
        &self,
        gpu: &Gpu,
        layer: &Layer,
        slices: &[StoredSlice],
        copy: usize,
    ) -> Result<Vec<f32>> {
        let [r, s, c, k] =
            [layer.shape.r, layer.shape.s, layer.shape.c, layer.shape.k].map(|n| n as usize);
        let mut out = vec![0.0; r * s * c * k];
        for slice in slices {
            let len = Rsck { k: slice.k, ..layer.shape }.padded_len() as usize;
            let all: Vec<f32> = slice.w.read(gpu)?;
            let w = &all[copy * len..][..len];
            let (cp, kp) = (c.next_multiple_of(4), (slice.k as usize).next_multiple_of(4));
            for tap in 0..r * s {
                for ci in 0..c {
                    for ki in 0..slice.k as usize {
                        let k_of_layer = slice.first as usize + ki;
                        let to = stored_at(layer.shape, layer.order, tap, ci, k_of_layer);
                        out[to] = w[(tap * cp + ci) * kp + ki];
                    }
                }
            }
        }
        Ok(out)
    }

    /// A compiler of this network onto a tape, in [`Mode::Frozen`] or [`Mode::Inference`].
    pub fn compiler<'a>(&'a self, gpu: &'a Gpu, tape: &mut Tape, mode: Mode) -> Compiler<'a> {
        let slice = |tape: &mut Tape, s: &StoredSlice| ChannelSlice {
            first: s.first,
            k: s.k,
            w: tape.import("weights", &s.w),
            wt: s.wt.as_ref().map(|wt| tape.import("transposed weights", wt)),
        };
        let slices =
            self.layers.iter().map(|l| l.iter().map(|s| slice(tape, s)).collect()).collect();
        let layers = Layers { slices, copies: self.copies };
        let vectors = Vectors {
            buffer: tape.import("folded batch norm", &self.folded),
            len: self.folded_len,
            scale: self.scale.clone(),
            shift: self.shift.clone(),
            image: self.image,
            norm: Vec::new(),
            alone: self.alone.clone(),
            weight: Vec::new(),
        };
        let state = TrainingState::default();
        let activations = self.activations.as_ref().map(|memory| memory.on(tape));
        let biases = self.biases.as_ref().map(|memory| memory.on(tape));
        Compiler::new(gpu, tape, &self.graph, mode, layers, vectors, state)
            .with_dtype(self.dtype)
            .with_faulty_activations(activations)
            .with_bias_shifts(biases)
    }
}

/// Largest size of one binding in bytes.
pub(super) fn largest_binding(gpu: &Gpu) -> u64 {
    gpu.limits().max_storage_buffer_binding_size.min(gpu.limits().max_buffer_size)
}

/// Word at which the output channel `k` of a layer whose weights have these bits begins.
pub(super) fn first_word(layer: &Layer, k: u32, bits: u32) -> u32 {
    (layer.shape.len() / layer.shape.k * k).div_ceil(Memory::of_weights(bits).per_word())
}

/// Cuts the output channels of a layer so that its copies fit one binding: first channel and number of
/// channels of each slice.
pub(super) fn slices_of(layer: &Layer, copies: u32, largest: u64) -> Vec<(u32, u32)> {
    let k = layer.shape.k;
    let whole = layer.shape.bytes() * u64::from(copies);
    if whole <= largest || layer.order == Order::InOut || layer.groups > 1 {
        return vec![(0, k)];
    }
    // A slice consists of whole tiles of the convolution kernel, 32 channels each, where it is large enough.
    let four = Rsck { k: 4, ..layer.shape }.bytes() * u64::from(copies);
    let most = (largest / four.max(1) * 4).max(4) as u32;
    let most = if most > 32 { most / 32 * 32 } else { most };
    (0..k).step_by(most as usize).map(|first| (first, most.min(k - first))).collect()
}
