//! A network with fixed weights: quantised once on the host, batch norm folded, copies with faults
//! made on the GPU.

use super::{
    compiler::{Compiler, Layers, Mode, Slice, TrainingState, Vectors},
    faulty::stored_layers,
    folded::Folded,
    graph::{Graph, Layer},
};
use crate::{
    error::{Error, Result},
    fault::{CellMap, FaultMap, FaultModel, Faults, Flips},
    files::Weights,
    gpu::{Buffer, BufferId, Gpu, Program, StepTime, Tape},
    kernels::{
        plan::Operands,
        quantise::fault_dequantize::{self, Order, Transposed},
    },
    shape::Rsck,
};
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Quantised weights and folded vectors of a network on a device, and `copies` dequantised sets.
#[derive(Debug)]
pub struct FrozenNet {
    /// The network.
    pub graph: Graph,
    /// Steps and bits of its quantised layers.
    scales: Buffer,
    bits: u32,
    copies: u32,
    operands: Operands,
    layers: Vec<Vec<StoredSlice>>,
    folded: Buffer,
    folded_len: u32,
    scale: Vec<Option<u32>>,
    shift: Vec<Option<u32>>,
    image: Option<u32>,
    /// How many injectors there have been, and which of them ran last (from 1).
    injectors: AtomicU64,
    last_injector: Arc<AtomicU64>,
}

/// Some output channels of a layer, in buffers that the adapter can bind.
#[derive(Debug)]
struct StoredSlice {
    first: u32,
    k: u32,
    packed: Buffer,
    w: Buffer,
    wt: Option<Buffer>,
}

impl FrozenNet {
    /// Quantises a network to `bits` and puts it on the device, with room for `copies` dequantised
    /// sets, which an [`Injector`] fills.
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

    /// The same without what input gradients need, in half of the memory: only for
    /// [`Mode::Inference`].
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_inference(
        gpu: &Gpu,
        graph: &Graph,
        weights: &Weights,
        bits: u32,
        copies: u32,
    ) -> Result<Self> {
        Self::sliced(gpu, graph, weights, bits, copies, false, largest_binding(gpu))
    }

    /// The same with layers cut into slices of output channels, each of which takes `largest` bytes at
    /// most (or four channels); `gradients`: as [`Self::new`], or as [`Self::for_inference`].
    ///
    /// # Errors
    /// As [`Self::new`].
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
        let (mut layers, mut scales) = (Vec::new(), Vec::new());
        for (layer, stored) in graph.layers.iter().zip(stored_layers(graph, weights, bits)) {
            let (param, stored) = (&graph.params[layer.weight], stored?);
            scales.push(stored.scale);
            let mut slices = Vec::new();
            for (first, k) in slices_of(layer, copies, largest) {
                let shape = Rsck { k, ..layer.shape };
                let bytes = shape.bytes() * u64::from(copies);
                let words =
                    first_word(layer, first) as usize..first_word(layer, first + k) as usize;
                let packed = format!("{} stored", param.name);
                let wt = gradients
                    .then(|| Buffer::new(gpu, &format!("{} transposed", param.name), bytes));
                slices.push(StoredSlice {
                    first,
                    k,
                    packed: Buffer::with(gpu, &packed, &stored.words[words])?,
                    w: Buffer::new(gpu, &param.name, bytes)?,
                    wt: wt.transpose()?,
                });
            }
            layers.push(slices);
        }
        let Folded { values, scale, shift, image } = Folded::of(graph, weights)?;
        Ok(Self {
            graph: graph.clone(),
            scales: Buffer::with(gpu, "scales", &scales)?,
            bits,
            copies,
            operands: Operands::F32,
            layers,
            folded: Buffer::with(gpu, "folded batch norm", &values)?,
            folded_len: values.len() as u32,
            scale,
            shift,
            image,
            injectors: AtomicU64::new(0),
            last_injector: Arc::default(),
        })
    }

    /// The same, computing with operands of products in another precision than f32.
    #[must_use]
    pub fn with_operands(self, operands: Operands) -> Self {
        Self { operands, ..self }
    }

    /// Precision in which inputs, weights and gradients enter products.
    #[must_use]
    pub fn operands(&self) -> Operands {
        self.operands
    }

    /// Sets of weights.
    #[must_use]
    pub fn copies(&self) -> u32 {
        self.copies
    }

    /// Bytes on the device: stored words and dequantised copies.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let of = |s: &StoredSlice| {
            s.packed.bytes() + s.w.bytes() + s.wt.as_ref().map_or(0, Buffer::bytes)
        };
        self.layers.iter().flatten().map(of).sum()
    }

    /// The dequantised weights of one copy, per layer in the order of the `state_dict` (PyTorch's
    /// `[K, C, R, S]`, transposed convolutions `[C, K, R, S]`). Waits for the device.
    ///
    /// # Errors
    /// There is no such copy, or the device failed.
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
                        let to = match layer.order {
                            Order::OutIn => (k_of_layer * c + ci) * r * s + tap,
                            Order::InOut => (ci * k + k_of_layer) * r * s + tap,
                        };
                        out[to] = w[(tap * cp + ci) * kp + ki];
                    }
                }
            }
        }
        Ok(out)
    }

    /// A compiler of this network onto a tape, in [`Mode::Frozen`] or [`Mode::Inference`].
    pub fn compiler<'a>(&'a self, gpu: &'a Gpu, tape: &mut Tape, mode: Mode) -> Compiler<'a> {
        let slice = |tape: &mut Tape, s: &StoredSlice| Slice {
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
            weight: Vec::new(),
        };
        let state = TrainingState::default();
        Compiler::new(gpu, tape, &self.graph, mode, layers, vectors, state)
            .with_operands(self.operands)
    }

    /// Makes the program that fills the copies; the first `clean_copies` stay free of faults.
    ///
    /// # Errors
    /// Faults in no layer or bit of this network, or at no rate; more clean copies than there are; no
    /// memory is left.
    pub fn injector(
        &self,
        gpu: &Gpu,
        clean_copies: u32,
        faults: Option<&Faults>,
    ) -> Result<Injector> {
        if clean_copies > self.copies {
            let copies = self.copies;
            return Err(Error::Shape(format!("{clean_copies} clean copies of {copies} copies")));
        }
        let chosen = match faults {
            Some(faults) => faults.layers.of(self.graph.layer_names())?,
            None => vec![false; self.layers.len()],
        };
        let mut tape = Tape::new();
        let count = self.graph.layers.len() as u32;
        let shared = Shared {
            scales: tape.import("scales", &self.scales),
            folded: tape.import("folded batch norm", &self.folded),
            seeds: tape.kept("seeds", u64::from(self.copies) * 8),
            flips: tape.kept("flips", u64::from(self.copies * count) * 32),
        };
        // What no map changes, then what each map does.
        for (layer, &faulty) in chosen.iter().enumerate() {
            let copies = if faulty { clean_copies } else { self.copies };
            self.dequantize(&mut tape, layer, 0..copies, None, &shared, &mut None)?;
        }
        tape.section();
        tape.clear(shared.flips);
        let mut map = None;
        for layer in (0..chosen.len()).filter(|&layer| chosen[layer]) {
            let copies = clean_copies..self.copies;
            self.dequantize(&mut tape, layer, copies, faults, &shared, &mut map)?;
        }
        let program = Program::build(gpu, &tape)?;
        let maps = match (map, faults) {
            (Some(buffer), Some(Faults { profile: Some(map), .. })) => {
                write_map(gpu, &program, buffer, &map.cells, 0);
                None
            }
            (Some(buffer), Some(faults)) => {
                Some(Maps { buffer, clean_copies, faults: faults.clone() })
            }
            _ => None,
        };
        let Shared { seeds, flips, .. } = shared;
        let id = self.injectors.fetch_add(1, Ordering::Relaxed) + 1;
        let last = Arc::clone(&self.last_injector);
        Ok(Injector { program, seeds, flips, maps, copies: self.copies, layers: count, id, last })
    }

    /// Appends what fills some copies of a layer. `map` is the faults' map of cells, if they have one.
    fn dequantize(
        &self,
        tape: &mut Tape,
        layer: usize,
        copies: Range<u32>,
        faults: Option<&Faults>,
        shared: &Shared,
        map: &mut Option<BufferId>,
    ) -> Result<()> {
        if copies.is_empty() {
            return Ok(());
        }
        let of = &self.graph.layers[layer];
        let place = match faults {
            Some(faults) => self.graph.places_under(faults)?.0[layer],
            None => self.graph.places()[layer],
        };
        let mapped =
            faults.is_some_and(|f| f.model == FaultModel::Reference || f.profile.is_some());
        let count = self.graph.layers.len() as u32;
        for slice in &self.layers[layer] {
            let stored = fault_dequantize::Layer {
                shape: Rsck { k: slice.k, ..of.shape },
                order: of.order,
                place,
                bits: self.bits,
                fold: self.scale[layer].map(|o| (o + slice.first, self.folded_len)),
                first_word: first_word(of, slice.first),
                transposed: match &slice.wt {
                    None => Transposed::Absent,
                    Some(_) if self.graph.is_linear(layer) => Transposed::Flat,
                    Some(_) => Transposed::PerTap,
                },
            };
            let (copies, index) = (copies.clone(), layer as u32);
            let plan = fault_dequantize::plan(stored, copies, faults, index, count, count)?;
            let packed = tape.import("stored weights", &slice.packed);
            let w = tape.import("w", &slice.w);
            let wt = match &slice.wt {
                Some(wt) => tape.import("wt", wt),
                None => tape.transient("no wt", 16),
            };
            let needs = plan.bytes[MAP];
            let map = match map {
                Some(map) => *map,
                None if mapped => *map.insert(tape.kept("map of cells", needs)),
                None => tape.transient("no map", needs),
            };
            let &Shared { scales, folded, seeds, flips } = shared;
            tape.push(plan, &[packed, scales, seeds, folded, w, wt, flips, map])?;
        }
        Ok(())
    }
}

/// Buffers of an injector's program that all layers share.
struct Shared {
    scales: BufferId,
    folded: BufferId,
    seeds: BufferId,
    flips: BufferId,
}

/// Which binding of the kernel has the map of cells.
const MAP: usize = 7;

/// Writes a map as that of copy `copy`.
fn write_map(gpu: &Gpu, program: &Program, buffer: BufferId, map: &CellMap, copy: u64) {
    let bytes = 4 * u64::from(map.words());
    program.write(gpu, buffer, 2 * copy * bytes, &map.stuck_at_1);
    program.write(gpu, buffer, (2 * copy + 1) * bytes, &map.stuck_at_0);
}

/// Bytes that one binding can have.
fn largest_binding(gpu: &Gpu) -> u64 {
    gpu.limits().max_storage_buffer_binding_size.min(gpu.limits().max_buffer_size)
}

/// Word at which the output channel `k` of a layer begins.
fn first_word(layer: &Layer, k: u32) -> u32 {
    (layer.shape.len() / layer.shape.k * k).div_ceil(4)
}

/// How the output channels of a layer are cut so that its copies fit one binding: first and number of
/// each slice.
fn slices_of(layer: &Layer, copies: u32, largest: u64) -> Vec<(u32, u32)> {
    let k = layer.shape.k;
    let whole = layer.shape.bytes() * u64::from(copies);
    if whole <= largest || layer.order == Order::InOut {
        return vec![(0, k)];
    }
    // Slices of whole tiles of the convolution kernel: 32 channels.
    let four = Rsck { k: 4, ..layer.shape }.bytes() * u64::from(copies);
    let most = (largest / four.max(1) * 4).max(4) as u32;
    let most = if most > 32 { most / 32 * 32 } else { most };
    (0..k).step_by(most as usize).map(|first| (first, most.min(k - first))).collect()
}

/// Draws faults and dequantises all copies of a network.
#[derive(Debug)]
pub struct Injector {
    program: Program,
    seeds: BufferId,
    flips: BufferId,
    maps: Option<Maps>,
    copies: u32,
    layers: u32,
    id: u64,
    /// Whose clean copies the network holds: the injector that ran last.
    last: Arc<AtomicU64>,
}

/// Where maps of cells go that the host draws.
#[derive(Debug)]
struct Maps {
    buffer: BufferId,
    clean_copies: u32,
    faults: Faults,
}

impl Injector {
    /// Fills the copies with the maps of `seeds`, one per copy (those of clean copies do not matter).
    ///
    /// # Errors
    /// Not one seed per copy; the device failed.
    pub fn run(&self, gpu: &Gpu, seeds: &[u64]) -> Result<()> {
        if seeds.len() != self.copies as usize {
            return Err(Error::Shape(format!("{} seeds of {} copies", seeds.len(), self.copies)));
        }
        let words: Vec<[u32; 2]> = seeds.iter().map(|&s| [s as u32, (s >> 32) as u32]).collect();
        self.program.write(gpu, self.seeds, 0, &words);
        if let Some(maps) = &self.maps {
            let first = maps.clean_copies as usize;
            for (copy, map) in (first as u64..).zip(drawn(&maps.faults, &seeds[first..])?) {
                if let Some(cells) = map.cells() {
                    write_map(gpu, &self.program, maps.buffer, cells, copy);
                }
            }
        }
        // Clean copies and layers stay as they are from run to run, unless another injector of the
        // network wrote over them.
        if self.last.load(Ordering::Relaxed) != self.id {
            self.last.store(0, Ordering::Relaxed);
            self.program.run_section(gpu, 0)?;
            self.last.store(self.id, Ordering::Relaxed);
        }
        self.program.run_section(gpu, 1)
    }

    /// Times of its dispatches, each run alone, with the maps of the last run: section 0 is what runs
    /// only if another injector of the network ran in between.
    ///
    /// # Errors
    /// The device failed.
    pub fn profile(&self, gpu: &Gpu) -> Result<Vec<StepTime>> {
        self.program.profile(gpu)
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

/// The maps of several seeds, drawn at once: each takes some milliseconds.
fn drawn(faults: &Faults, seeds: &[u64]) -> Result<Vec<FaultMap>> {
    std::thread::scope(|scope| {
        let draws: Vec<_> =
            seeds.iter().map(|&seed| scope.spawn(move || faults.map(seed))).collect();
        let lost = || Error::Shape("a thread that draws faults died".into());
        draws.into_iter().map(|draw| draw.join().map_err(|_| lost())?).collect()
    })
}
