//! A network with fixed weights: quantised once on the host, batch norm folded, copies with faults
//! made on the GPU.

use super::{
    compile::{Compiler, Layers, Mode, Vectors},
    graph::{EPS, Graph, Op},
};
use crate::{
    error::Result,
    fault::{self, Faults, Flips, Quantized},
    files::Weights,
    gpu::{Buffer, BufferId, Gpu, Program, Tape},
    ops::fault_dequantize,
};

/// Quantised weights and folded vectors of a network on a device, and `copies` dequantised sets.
#[derive(Debug)]
pub struct FrozenNet {
    /// The network.
    pub graph: Graph,
    /// Its quantised layers, as stored.
    pub quantized: Vec<Quantized>,
    bits: u32,
    copies: u32,
    packed: Vec<Buffer>,
    scales: Buffer,
    folded: Buffer,
    folded_len: u32,
    scale: Vec<Option<u32>>,
    shift: Vec<Option<u32>>,
    w: Vec<Buffer>,
    wt: Vec<Buffer>,
}

impl FrozenNet {
    /// Quantises a network to `bits` and puts it on the device, with room for `copies` dequantised
    /// sets, which an [`Injector`] fills.
    ///
    /// # Errors
    /// A tensor is missing, has another shape or is not finite; no memory is left.
    pub fn new(
        gpu: &Gpu,
        graph: &Graph,
        weights: &Weights,
        bits: u32,
        copies: u32,
    ) -> Result<Self> {
        graph.check(weights)?;
        let data = |param: usize| -> Result<&[f32]> {
            let param = &graph.params[param];
            Ok(&weights.get(&param.name, &param.shape)?.data)
        };
        let (mut quantized, mut packed, mut w, mut wt) = (vec![], vec![], vec![], vec![]);
        for layer in &graph.layers {
            let stored = fault::quantize(data(layer.weight)?, bits)?;
            let name = &graph.params[layer.weight].name;
            packed.push(Buffer::with(gpu, &format!("{name} stored"), &stored.words)?);
            let bytes = layer.shape.bytes() * u64::from(copies);
            w.push(Buffer::new(gpu, name, bytes)?);
            wt.push(Buffer::new(gpu, &format!("{name} transposed"), bytes)?);
            quantized.push(stored);
        }
        let scales: Vec<f32> = quantized.iter().map(|q| q.scale).collect();
        let (mut folded, mut scale, mut shift) = (Vec::new(), Vec::new(), Vec::new());
        for (index, layer) in graph.layers.iter().enumerate() {
            let k = layer.shape.k as usize;
            let bias = layer.bias.map(data).transpose()?;
            let norm = norm_behind(graph, index);
            if norm.is_none() && bias.is_none() {
                scale.push(None);
                shift.push(None);
                continue;
            }
            let mut factors = vec![1.0f32; k];
            let mut offsets = bias.map_or_else(|| vec![0.0f32; k], <[f32]>::to_vec);
            if let Some(norm) = norm {
                let norm = graph.norms[norm];
                let (gamma, beta) = (data(norm.gamma)?, data(norm.beta())?);
                let (mean, var) = (data(norm.mean())?, data(norm.var())?);
                for i in 0..k {
                    let factor = f64::from(gamma[i]) / (f64::from(var[i]) + f64::from(EPS)).sqrt();
                    factors[i] = factor as f32;
                    let centred = f64::from(offsets[i]) - f64::from(mean[i]);
                    offsets[i] = (f64::from(beta[i]) + centred * factor) as f32;
                }
            }
            scale.push(norm.map(|_| folded.len() as u32));
            if norm.is_some() {
                folded.extend(factors);
            }
            shift.push(Some(folded.len() as u32));
            folded.extend(offsets);
        }
        let folded_len = folded.len() as u32;
        Ok(Self {
            graph: graph.clone(),
            quantized,
            bits,
            copies,
            packed,
            scales: Buffer::with(gpu, "scales", &scales)?,
            folded: Buffer::with(gpu, "folded batch norm", &folded)?,
            folded_len,
            scale,
            shift,
            w,
            wt,
        })
    }

    /// Sets of weights.
    #[must_use]
    pub fn copies(&self) -> u32 {
        self.copies
    }

    /// A compiler of this network onto a tape, in [`Mode::Frozen`] or [`Mode::Inference`].
    pub fn compiler<'a>(&'a self, gpu: &'a Gpu, tape: &'a mut Tape, mode: Mode) -> Compiler<'a> {
        let import = |tape: &mut Tape, buffers: &[Buffer]| -> Vec<BufferId> {
            buffers.iter().map(|b| tape.import("weights", b)).collect()
        };
        let (w, wt) = (import(tape, &self.w), import(tape, &self.wt));
        let layers = Layers { w, wt, copies: self.copies };
        let vectors = Vectors {
            buffer: tape.import("folded batch norm", &self.folded),
            len: self.folded_len,
            scale: self.scale.clone(),
            shift: self.shift.clone(),
            norm: Vec::new(),
            weight: Vec::new(),
        };
        Compiler::new(gpu, tape, &self.graph, mode, layers, vectors, Vec::new())
    }

    /// Makes the program that fills the copies; the first `clean_copies` stay free of faults.
    ///
    /// # Errors
    /// The fault rate is no rate, or no memory is left.
    pub fn injector(
        &self,
        gpu: &Gpu,
        clean_copies: u32,
        faults: Option<Faults>,
    ) -> Result<Injector> {
        let mut tape = Tape::new();
        let count = self.graph.layers.len() as u32;
        let scales = tape.import("scales", &self.scales);
        let folded = tape.import("folded batch norm", &self.folded);
        let seeds = tape.kept("seeds", u64::from(self.copies) * 8);
        let flips = tape.kept("flips", u64::from(self.copies * count) * 32);
        tape.clear(flips);
        for (i, layer) in self.graph.layers.iter().enumerate() {
            let stored = fault_dequantize::Layer {
                shape: layer.shape,
                order: layer.order,
                index: i as u32,
                bits: self.bits,
                fold: self.scale[i].map(|offset| (offset, self.folded_len)),
            };
            let plan = fault_dequantize::plan(
                stored,
                self.copies,
                clean_copies,
                faults,
                i as u32,
                count,
                count,
            )?;
            let packed = tape.import("stored weights", &self.packed[i]);
            let (w, wt) = (tape.import("w", &self.w[i]), tape.import("wt", &self.wt[i]));
            tape.push(plan, &[packed, scales, seeds, folded, w, wt, flips])?;
        }
        let program = Program::build(gpu, &tape)?;
        Ok(Injector { program, seeds, flips, copies: self.copies, layers: count })
    }
}

/// The batch norm that alone reads a layer's output.
fn norm_behind(graph: &Graph, layer: usize) -> Option<usize> {
    let of_layer = |op: &Op| match op {
        Op::Conv { layer: l, .. } | Op::Linear { layer: l } => *l == layer,
        _ => false,
    };
    let node = graph.nodes.iter().position(|n| of_layer(&n.op))?;
    match graph.nodes[graph.sole_consumer(node)?].op {
        Op::BatchNorm(norm) => Some(norm),
        _ => None,
    }
}

/// Draws faults and dequantises all copies of a network.
#[derive(Debug)]
pub struct Injector {
    program: Program,
    seeds: BufferId,
    flips: BufferId,
    copies: u32,
    layers: u32,
}

impl Injector {
    /// Fills the copies with the maps of `seeds`, one per copy (those of clean copies do not matter).
    ///
    /// # Errors
    /// The device failed.
    pub fn run(&self, gpu: &Gpu, seeds: &[u64]) -> Result<()> {
        let words: Vec<[u32; 2]> = seeds.iter().map(|&s| [s as u32, (s >> 32) as u32]).collect();
        self.program.write(gpu, self.seeds, 0, &words);
        self.program.run(gpu)
    }

    /// Bits that the last run flipped, per copy and layer. Waits for the device.
    ///
    /// # Errors
    /// The device failed.
    pub fn flips(&self, gpu: &Gpu) -> Result<Vec<Vec<Flips>>> {
        let words: Vec<u32> = self.program.read(gpu, self.flips)?;
        let layers: Vec<Flips> = words
            .chunks_exact(8)
            .take((self.copies * self.layers) as usize)
            .map(|counts| {
                let mut per_bit = [0; 8];
                per_bit.copy_from_slice(counts);
                Flips::from(per_bit)
            })
            .collect();
        Ok(layers.chunks(self.layers as usize).map(<[Flips]>::to_vec).collect())
    }
}
