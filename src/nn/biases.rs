//! Biases of a frozen network that are words of 32 bits in a memory that can fail.

use super::{
    compiler::BiasShifts,
    graph::{Graph, Layer},
};
use crate::{
    error::{Error, Result},
    fault::{FaultMap, Faults, Flips, Memory, Place},
    files::{Weights, WideWords},
    gpu::Buffer,
    run::{Gpu, Tape},
};
use std::sync::{Arc, Mutex, PoisonError};

impl Graph {
    /// The name of a layer's bias, if it has one.
    pub fn bias_name(&self, layer: &Layer) -> Option<&str> {
        layer.bias.map(|bias| self.params[bias].name.as_str())
    }

    /// The names of the biases that can fail, with the index of their layers.
    pub fn failing_biases(&self) -> impl Iterator<Item = (usize, &str)> {
        let layers = self.layers.iter().enumerate().filter(|_| self.biases_fail);
        layers.filter_map(|(i, layer)| Some((i, self.bias_name(layer)?)))
    }

    /// Refuses a network with a bias that is no word of 32 bits, or without any.
    pub fn check_biases(&self, weights: &Weights) -> Result<()> {
        let refuse = |what: String| {
            let hint = "give a network whose biases are int32 words of its layers, as quantize_static writes it, \
                        or leave biases out";
            Err(Error::argument("--faults-in", what, hint))
        };
        if self.failing_biases().next().is_none() {
            return refuse(format!("{} has no biases", self.name));
        }
        match self.failing_biases().find(|(_, name)| !weights.wide.contains_key(*name)) {
            None => Ok(()),
            Some((_, name)) => refuse(format!("the bias {name} is not stored as words of 32 bits")),
        }
    }
}

/// The words of a bias as they read with the faults of a map, and the flips; `layer` is the index of its layer.
pub(super) fn faulty_bias(stored: &WideWords, map: &FaultMap, layer: u32) -> (Vec<i32>, Flips) {
    let (mut flips, place) = (Flips::default(), Place { layer, address: 0 });
    let read = |(i, &word): (u32, &i32)| {
        let word = word.cast_unsigned();
        let mask = map.faulty_in(Memory::Biases, place, i).xor_mask(word);
        flips += Flips::of(mask, Memory::Biases);
        (word ^ mask).cast_signed()
    };
    let words = (0..).zip(&stored.words).map(read).collect();
    (words, flips)
}

/// A bias that can fail.
#[derive(Debug)]
struct FailingBias {
    layer: usize,
    /// Where its shifts begin among those of a copy.
    offset: u32,
    words: WideWords,
    /// Factors of a batch norm behind it; none where there is no norm.
    factors: Vec<f32>,
}

/// What is between an injector, which draws faulty biases, and the programs that add what they differ by.
#[derive(Debug)]
pub(super) struct BiasMemory {
    shifts: Buffer,
    biases: Arc<[FailingBias]>,
    layers: usize,
    len: u32,
    copies: u32,
}

impl BiasMemory {
    /// The memory of a network's copies; `None` where no bias can fail. `factors` are those of the batch norm behind
    /// each layer.
    ///
    /// # Errors
    /// A bias is no word; no memory is left.
    pub(super) fn of(
        gpu: &Gpu,
        (graph, weights): (&Graph, &Weights),
        factors: impl Fn(usize) -> Vec<f32>,
        copies: u32,
    ) -> Result<Option<Self>> {
        let (mut biases, mut len) = (Vec::new(), 0);
        for (layer, name) in graph.failing_biases() {
            let words = weights.wide_words(name)?.clone();
            let offset = len;
            len += words.words.len() as u32;
            biases.push(FailingBias { layer, offset, words, factors: factors(layer) });
        }
        if biases.is_empty() {
            return Ok(None);
        }
        let shifts = Buffer::new(gpu, "shifts of biases", 8 * u64::from(len) * u64::from(copies))?;
        let layers = graph.layers.len();
        Ok(Some(Self { shifts, biases: biases.into(), layers, len, copies }))
    }

    /// The shifts on a tape.
    pub(super) fn on(&self, tape: &mut Tape) -> BiasShifts {
        let mut offsets = vec![None; self.layers];
        self.biases.iter().for_each(|bias| offsets[bias.layer] = Some(bias.offset));
        let buffer = tape.import("shifts of biases", &self.shifts);
        BiasShifts { buffer, len: self.len, offsets }
    }

    /// Draws faults in the biases of the `chosen` layers, of all copies but the first `clean` ones; without faults of
    /// none.
    pub(super) fn injector(
        &self,
        faults: Option<Faults>,
        chosen: Vec<bool>,
        clean: u32,
    ) -> BiasInjector {
        let clean = if faults.is_some() { clean } else { self.copies };
        let (shifts, biases) = (self.shifts.clone(), Arc::clone(&self.biases));
        let (faults, flips) = (faults.unwrap_or_default(), Mutex::default());
        BiasInjector { shifts, biases, faults, chosen, clean, len: self.len, flips }
    }
}

/// Draws faulty biases on the host: there are few of them.
#[derive(Debug)]
pub(super) struct BiasInjector {
    shifts: Buffer,
    biases: Arc<[FailingBias]>,
    faults: Faults,
    chosen: Vec<bool>,
    clean: u32,
    len: u32,
    /// Flips of the last maps, per copy and bias.
    flips: Mutex<Vec<Vec<Flips>>>,
}

impl BiasInjector {
    /// Writes what the biases of the maps of `seeds`, one per copy, differ by from those that are stored.
    pub(super) fn begin(&self, gpu: &Gpu, seeds: &[u64]) -> Result<()> {
        let len = self.len as usize;
        let mut shifts = vec![0f32; 2 * len * seeds.len()];
        let mut flips = vec![vec![Flips::default(); self.biases.len()]; seeds.len()];
        for (copy, &seed) in seeds.iter().enumerate().skip(self.clean as usize) {
            let map = self.faults.map(seed)?;
            for (i, bias) in self.biases.iter().enumerate() {
                if !self.chosen.get(bias.layer).is_some_and(|&chosen| chosen) {
                    continue;
                }
                let (read, flipped) = faulty_bias(&bias.words, &map, bias.layer as u32);
                flips[copy][i] = flipped;
                for (k, (&read, &stored)) in read.iter().zip(&bias.words.words).enumerate() {
                    // Integers wrap: a flipped sign bit has a place of its own (copy_shift.wgsl).
                    let apart = !bias.words.twice && read ^ stored < 0;
                    let rest = if apart { read ^ i32::MIN } else { read };
                    let difference = bias.words.value(k, rest) - bias.words.value(k, stored);
                    let factor = bias.factors.get(k).copied().unwrap_or(1.0);
                    let at = 2 * copy * len + bias.offset as usize + k;
                    shifts[at] = difference * factor;
                    if apart {
                        shifts[at + len] = (bias.words.value(k, i32::MIN) * factor).abs();
                    }
                }
            }
        }
        self.shifts.write(gpu, 0, &shifts);
        *self.flips.lock().unwrap_or_else(PoisonError::into_inner) = flips;
        Ok(())
    }

    /// Bits that the last maps flipped, per copy and bias.
    pub(super) fn flips(&self) -> Vec<Vec<Flips>> {
        self.flips.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
