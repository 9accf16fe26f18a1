//! A network in training: parameters, gradients, optimiser state and running statistics on the device.

use super::{
    compiler::{ChannelSlice, Compiler, Layers, Mode, TrainingState, Vectors},
    graph::{Graph, Norm},
    parameters::Offsets,
};
use crate::{
    error::Result,
    fault::step_seed,
    files::Weights,
    gpu::Buffer,
    kernels::{
        plan::Dtype,
        quantise::{
            self,
            fault_dequantize::{self, Transposed, WordMeaning},
        },
        reduce,
    },
    run::{BufferId, Gpu, Tape},
    shape::{pad_channels, unpad_channels},
};

/// Parameters of a network on a device, shared by the programs that train it.
#[derive(Debug)]
pub struct TrainableNet {
    /// The network.
    pub graph: Graph,
    /// Where each parameter lies.
    pub offsets: Offsets,
    /// All trainable parameters, flat, PyTorch order.
    pub parameters: Buffer,
    /// Gradients of the parameters, in the same order.
    pub gradients: Buffer,
    /// First optimiser state: Adam's mean of gradients, SGD's velocity.
    pub first: Buffer,
    /// Second optimiser state: Adam's mean of squared gradients.
    pub second: Buffer,
    running: Vec<Buffer>,
    /// Seed of the step's dropout: lo, hi.
    seed: Buffer,
    bits: u32,
    dtype: Dtype,
}

/// The seed of a network's dropout on the device.
#[derive(Clone, Debug)]
pub struct DropoutSeed(Buffer);

impl DropoutSeed {
    /// Sets the seed for the next step, which differs for every training run and step.
    pub fn set(&self, gpu: &Gpu, run_seed: u64, step: u64) {
        let seed = step_seed(run_seed, step, u32::MAX);
        self.0.write(gpu, 0, &[seed as u32, (seed >> 32) as u32]);
    }
}

impl TrainableNet {
    /// Puts a network on the device; its weights are fake-quantised to `bits` in every pass.
    ///
    /// # Errors
    /// A tensor is missing or has another shape; no memory is left.
    pub fn new(gpu: &Gpu, graph: &Graph, weights: &Weights, bits: u32) -> Result<Self> {
        let offsets = Offsets::of(graph);
        let flat = offsets.flatten(graph, weights)?;
        let bytes = u64::from(offsets.len) * 4;
        let mut running = Vec::new();
        for norm in &graph.norms {
            let values = running_values(graph, *norm, weights)?;
            running.push(Buffer::with(gpu, "running statistics", &values)?);
        }
        Ok(Self {
            graph: graph.clone(),
            offsets,
            parameters: Buffer::with(gpu, "parameters", &flat)?,
            gradients: Buffer::new(gpu, "gradients", bytes)?,
            first: Buffer::new(gpu, "optimiser state 1", bytes)?,
            second: Buffer::new(gpu, "optimiser state 2", bytes)?,
            running,
            seed: Buffer::new(gpu, "seed of the dropout", 8)?,
            bits,
            dtype: Dtype::F32,
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

    /// Appends the fake quantisation of every layer and returns a compiler in [`Mode::Training`].
    pub fn compiler<'a>(&'a self, gpu: &'a Gpu, tape: &mut Tape) -> Result<Compiler<'a>> {
        let parameters = tape.import("parameters", &self.parameters);
        let layers = self.quantised(tape, parameters)?;
        let at = |param: usize| self.offsets.at(param);
        let vectors = Vectors {
            buffer: parameters,
            len: self.offsets.len,
            scale: vec![None; self.graph.layers.len()],
            shift: self.graph.layers.iter().map(|l| l.bias.map(at)).collect(),
            image: self.graph.learned().map(at),
            norm: self.graph.norms.iter().map(|n| [at(n.gamma), at(n.beta())]).collect(),
            alone: Vec::new(),
            weight: self.graph.layers.iter().map(|l| at(l.weight)).collect(),
        };
        let running = self.running.iter().map(|b| tape.import("running", b)).collect();
        let seed = tape.import("seed of the dropout", &self.seed);
        let state = TrainingState { running, seed: Some(seed) };
        let new = Compiler::new(gpu, tape, &self.graph, Mode::Training, layers, vectors, state);
        Ok(new.with_dtype(self.dtype))
    }

    fn quantised(&self, tape: &mut Tape, parameters: BufferId) -> Result<Layers> {
        let count = self.graph.layers.len() as u32;
        let scales = tape.kept("scales", u64::from(count) * 4);
        let (seeds, flips) =
            (tape.kept("no seeds", 16), tape.kept("no flips", u64::from(count) * 32));
        let (unused, map) = (tape.kept("no fold", 16), tape.kept("no map", 16));
        let mut slices = Vec::new();
        for ((layer, place), i) in self.graph.layers.iter().zip(self.graph.places()).zip(0..) {
            let (offset, len) = (self.offsets.at(layer.weight), layer.shape.len());
            let total = self.offsets.len;
            let name = &self.graph.params[layer.weight].name;
            tape.mark(format!("{name} of {}, quantisation", self.graph.name));
            let plan = reduce::absmax::plan(offset, len, total, i, count, self.bits)?;
            tape.push(plan, &[parameters, scales])?;
            let plan = quantise::quantize::plan(offset, len, total, i, count, self.bits)?;
            let packed = tape.transient("stored weights", plan.bytes_of("packed"));
            tape.push(plan, &[parameters, scales, packed])?;
            let stored = fault_dequantize::StoredLayer {
                groups: 1,
                shape: layer.shape,
                order: layer.order,
                place,
                bits: self.bits,
                meaning: WordMeaning::SYMMETRIC,
                fold: None,
                first_word: 0,
                transposed: if self.graph.is_linear(i as usize) {
                    Transposed::Flat
                } else {
                    Transposed::PerTap
                },
            };
            let plan = fault_dequantize::plan(stored, 0..1, None, i, count, count)?;
            let w = tape.transient("w", plan.bytes_of("w"));
            let wt = tape.transient("wt", plan.bytes_of("wt"));
            tape.push(plan, &[packed, scales, seeds, unused, w, wt, flips, map])?;
            slices.push(vec![ChannelSlice { first: 0, k: layer.shape.k, w, wt: Some(wt) }]);
        }
        Ok(Layers { slices, copies: 1 })
    }

    /// All buffers that training changes, each with a name: parameters, the optimiser's state, running
    /// statistics.
    pub fn state(&self) -> impl Iterator<Item = (&'static str, &Buffer)> {
        let own = [
            ("parameter", &self.parameters),
            ("gradient", &self.first),
            ("square of a gradient", &self.second),
        ];
        own.into_iter().chain(self.running.iter().map(|buffer| ("running statistic", buffer)))
    }

    /// Running statistics of each batch norm, which the forward pass moves.
    #[must_use]
    pub fn running(&self) -> &[Buffer] {
        &self.running
    }

    /// Where the seed of the dropout is, to set it before each step.
    #[must_use]
    pub fn dropout_seed(&self) -> DropoutSeed {
        DropoutSeed(self.seed.clone())
    }

    /// Parameters and running statistics as they stand. Waits for the device.
    pub fn weights(&self, gpu: &Gpu) -> Result<Weights> {
        let flat: Vec<f32> = self.parameters.read(gpu)?;
        let mut weights = self.named(&flat);
        for (norm, buffer) in self.graph.norms.iter().zip(&self.running) {
            let values: Vec<f32> = buffer.read(gpu)?;
            let half = norm.c.next_multiple_of(4) as usize;
            for (param, values) in [norm.mean(), norm.var()].into_iter().zip(values.chunks(half)) {
                let param = &self.graph.params[param];
                weights.insert(param.name.clone(), &param.shape, unpad_channels(values, norm.c));
            }
        }
        Ok(weights)
    }

    /// Puts parameters and running statistics back, as [`Self::weights`] gave them.
    ///
    /// # Errors
    /// A tensor is missing or has another shape.
    pub fn restore(&self, gpu: &Gpu, weights: &Weights) -> Result<()> {
        self.parameters.write(gpu, 0, &self.offsets.flatten(&self.graph, weights)?);
        for (norm, buffer) in self.graph.norms.iter().zip(&self.running) {
            buffer.write(gpu, 0, &running_values(&self.graph, *norm, weights)?);
        }
        Ok(())
    }

    /// Splits a flat buffer (parameters or gradients) into tensors by name.
    #[must_use]
    pub fn named(&self, flat: &[f32]) -> Weights {
        let mut weights = Weights::default();
        for (i, param) in self.graph.params.iter().enumerate() {
            if self.graph.norms.iter().any(|n| n.mean() == i || n.var() == i) {
                continue;
            }
            let data = flat[self.offsets.at(i) as usize..][..param.len()].to_vec();
            weights.insert(param.name.clone(), &param.shape, data);
        }
        weights
    }
}

/// Running mean and variance of a batch norm, padded.
fn running_values(graph: &Graph, norm: Norm, weights: &Weights) -> Result<Vec<f32>> {
    let mut values = Vec::new();
    for param in [norm.mean(), norm.var()] {
        let param = &graph.params[param];
        let data = &weights.get(&param.name, &param.shape)?.data;
        values.extend(pad_channels(data, norm.c, 0.0));
    }
    Ok(values)
}
