//! Draws faults and fills the copies of a frozen network with dequantised weights.

use super::{
    activations::ActivationInjector,
    biases::BiasInjector,
    frozen::{FrozenNet, first_word},
    places::FailingParts,
};
use crate::{
    error::{Error, Result},
    fault::{CellMap, FaultMap, Faults, Flips},
    kernels::quantise::fault_dequantize::{self, Transposed, WordMeaning},
    run::{BufferId, Gpu, Program, StepTime, Tape},
    shape::Rsck,
};
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Draws faults and dequantises all copies of a network.
#[derive(Debug)]
pub struct Injector {
    program: Program,
    seeds: BufferId,
    flips: BufferId,
    maps: Option<DrawnMaps>,
    copies: u32,
    layers: u32,
    /// Positions of a weight whose flips are counted.
    counts: u32,
    id: u64,
    /// Id of the injector that ran last on this network: the clean copies are as that injector left
    /// them.
    last: Arc<AtomicU64>,
    activations: Option<ActivationInjector>,
    biases: Option<BiasInjector>,
}

/// Buffer for maps of cells that the host draws, and what they are drawn from.
#[derive(Debug)]
struct DrawnMaps {
    buffer: BufferId,
    clean_copies: u32,
    faults: Faults,
}

impl Injector {
    /// Fills the copies with the maps of `seeds`, one per copy (the seeds of clean copies are
    /// ignored).
    ///
    /// # Errors
    /// Not one seed per copy; the device failed.
    pub fn run(&self, gpu: &Gpu, seeds: &[u64]) -> Result<()> {
        if seeds.len() != self.copies as usize {
            return Err(Error::Shape(format!("{} seeds of {} copies", seeds.len(), self.copies)));
        }
        let words: Vec<[u32; 2]> = seeds.iter().map(|&s| [s as u32, (s >> 32) as u32]).collect();
        self.program.write(gpu, self.seeds, 0, &words);
        if let Some(activations) = &self.activations {
            activations.begin(gpu, seeds);
        }
        if let Some(biases) = &self.biases {
            biases.begin(gpu, seeds)?;
        }
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

    /// Times of all dispatches, each run alone, with the maps of the last run. [`Self::run`] skips
    /// section 0 unless another injector of the network ran in between.
    pub fn profile(&self, gpu: &Gpu) -> Result<Vec<StepTime>> {
        self.program.profile(gpu)
    }

    /// Bits of activations that have been flipped since the last run, per copy and buffer ([`Graph::failing`]); empty
    /// where none can fail. Waits for the device.
    ///
    /// [`Graph::failing`]: super::Graph::failing
    pub fn activation_flips(&self, gpu: &Gpu) -> Result<Vec<Vec<Flips>>> {
        self.activations.as_ref().map_or_else(|| Ok(Vec::new()), |of| of.flips(gpu))
    }

    /// Bits of biases that the last run flipped, per copy and bias ([`Graph::failing_biases`]); empty where none can fail.
    ///
    /// [`Graph::failing_biases`]: super::Graph::failing_biases
    #[must_use]
    pub fn bias_flips(&self) -> Vec<Vec<Flips>> {
        self.biases.as_ref().map_or_else(Vec::new, BiasInjector::flips)
    }

    /// Bits that the last run flipped, per copy and layer. Waits for the device.
    pub fn flips(&self, gpu: &Gpu) -> Result<Vec<Vec<Flips>>> {
        let words: Vec<u32> = self.program.read(gpu, self.flips)?;
        let layers: Vec<Flips> = words
            .chunks_exact(self.counts as usize)
            .take((self.copies * self.layers) as usize)
            .map(Flips::from)
            .collect();
        Ok(layers.chunks(self.layers as usize).map(<[Flips]>::to_vec).collect())
    }
}

/// Draws the maps of several seeds in parallel, because each takes some milliseconds.
fn drawn(faults: &Faults, seeds: &[u64]) -> Result<Vec<FaultMap>> {
    std::thread::scope(|scope| {
        let draws: Vec<_> =
            seeds.iter().map(|&seed| scope.spawn(move || faults.map(seed))).collect();
        let lost = || Error::Shape("a thread that draws faults died".into());
        draws.into_iter().map(|draw| draw.join().map_err(|_| lost())?).collect()
    })
}

impl FrozenNet {
    /// Makes the program that fills the copies; the first `clean_copies` stay free of faults.
    ///
    /// # Errors
    /// Faults in no layer or bit of this network, or at no rate; more clean copies than there are; weights
    /// that are not quantised; no memory is left.
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
        let parts = match faults {
            Some(faults) => self.graph.chosen(faults)?,
            None => FailingParts { weights: vec![false; self.layers.len()], ..Default::default() },
        };
        let FailingParts { weights: chosen, biases, activations: buffers } = parts;
        let of_biases = self.biases.as_ref();
        let biases = of_biases.map(|memory| memory.injector(faults.cloned(), biases, clean_copies));
        let activations = self.activations.as_ref();
        let activations =
            activations.map(|memory| memory.injector(faults.cloned(), buffers, clean_copies));
        let mut tape = Tape::new();
        let count = self.graph.layers.len() as u32;
        // The words of a network are all floats, or none of them are.
        let meaning = self.words.first().map_or(WordMeaning::SYMMETRIC, |words| words.meaning);
        let counts = meaning.counts();
        let shared = Shared {
            scales: tape.import("scales", &self.scales),
            folded: tape.import("folded batch norm", &self.folded),
            seeds: tape.kept("seeds", u64::from(self.copies) * 8),
            flips: tape.kept("flips", u64::from(self.copies * count * counts) * 4),
        };
        // Section 0 fills the copies that no map changes; section 1 fills the others and runs for
        // every new map.
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
        let mut maps = None;
        if let Some((buffer, faults)) = map.zip(faults) {
            match faults.measured() {
                Some(map) => write_map(gpu, &program, buffer, &map.cells, 0),
                None => maps = Some(DrawnMaps { buffer, clean_copies, faults: faults.clone() }),
            }
        }
        let Shared { seeds, flips, .. } = shared;
        let (copies, layers) = (self.copies, count);
        let id = self.injectors.fetch_add(1, Ordering::Relaxed) + 1;
        let last = Arc::clone(&self.last_injector);
        Ok(Injector {
            program,
            seeds,
            flips,
            maps,
            copies,
            layers,
            counts,
            id,
            last,
            activations,
            biases,
        })
    }

    /// Appends the dispatches that fill some copies of a layer. `map` is the buffer of the map of
    /// cells, which is made when it is first needed.
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
        let mapped = faults.is_some_and(|faults| faults.kind().lists_cells());
        let count = self.graph.layers.len() as u32;
        for slice in &self.layers[layer] {
            let (Some(packed), Some(words)) = (&slice.packed, self.words.get(layer)) else {
                return Err(Error::Shape("weights that are not quantised have no faults".into()));
            };
            let words = words.behind(slice.first);
            let stored = fault_dequantize::StoredLayer {
                shape: Rsck { k: slice.k, ..of.shape },
                order: of.order,
                groups: of.groups,
                place,
                bits: words.bits,
                meaning: words.meaning,
                fold: self.scale[layer].map(|o| (o + slice.first, self.folded_len)),
                first_word: first_word(of, slice.first, words.bits),
                transposed: match &slice.wt {
                    None => Transposed::Absent,
                    Some(_) if self.graph.is_linear(layer) => Transposed::Flat,
                    Some(_) => Transposed::PerTap,
                },
            };
            let (scale, scales) = (words.scale, self.scales_len);
            let plan =
                fault_dequantize::plan(stored, copies.clone(), faults, scale, scales, count)?;
            let packed = tape.import("stored weights", packed);
            let w = tape.import("w", &slice.w);
            let wt = match &slice.wt {
                Some(wt) => tape.import("wt", wt),
                None => tape.transient("no wt", 16),
            };
            let needs = plan.bytes_of("map");
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

/// Writes a map as the one of copy `copy`.
fn write_map(gpu: &Gpu, program: &Program, buffer: BufferId, map: &CellMap, copy: u64) {
    let bytes = 4 * u64::from(map.words());
    program.write(gpu, buffer, 2 * copy * bytes, &map.stuck_at_1);
    program.write(gpu, buffer, (2 * copy + 1) * bytes, &map.stuck_at_0);
}
