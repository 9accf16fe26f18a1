//! What each bit position and each layer contributes to the loss of accuracy, measured with only one of them
//! faulty at a time, and what is gained by protecting the worst of them.

use super::{
    Journal, Request,
    measure::Lazy,
    meter::{Arrangement, Tick},
};
use crate::{
    error::Result,
    fault::{Faults, LayerChoice},
    report::eval_json::{Part, Protected, Sensitivity, Spread},
    run::Gpu,
};

/// What a study measures in addition to single bits and layers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Study {
    /// Most bit positions, and most layers, that are protected one after another.
    pub protect: usize,
}

/// The bit positions and layers that can fail, which a study takes one by one.
struct Parts<'a> {
    /// Bit positions, and how many such bits are stored.
    bits: Vec<(u32, u64)>,
    /// Layers, and how many bits they store at these positions.
    layers: Vec<(&'a str, u64)>,
}

impl<'a> Parts<'a> {
    fn of(request: &Request<'a>, faults: &Faults) -> Self {
        let ((graph, weights), bits) = (request.subject.base, request.subject.precision);
        let weights_of = graph.layers.iter().map(|l| u64::from(l.shape.len()));
        let words: Vec<(&str, u64, u32)> = graph
            .layer_names()
            .zip(weights_of)
            .zip(graph.word_bits(weights, bits))
            .map(|((name, weights), bits)| (name, weights, bits))
            .filter(|(name, ..)| faults.layers.contains(name))
            .collect();
        // A file may store words of different widths.
        let stored = |bit| words.iter().filter(|word| bit < word.2).map(|word| word.1).sum();
        let can_fail = |bit: &u32| faults.positions.contains(*bit);
        let positions = |bits: u32| (0..bits).filter(can_fail);
        let layers = words.iter();
        let layers = layers.map(|&(name, n, bits)| (name, n * positions(bits).count() as u64));
        Self {
            layers: layers.collect(),
            bits: positions(bits).map(|bit| (bit, stored(bit))).collect(),
        }
    }

    /// Steps of protection for bits and for layers: at least one part stays faulty.
    fn steps(&self, study: Study) -> [usize; 2] {
        [self.bits.len(), self.layers.len()].map(|parts| study.protect.min(parts.saturating_sub(1)))
    }
}

/// Number of all fault maps that a study measures.
pub fn study_maps(request: &Request<'_>, study: Study) -> u64 {
    let Some(faults) = request.faults.first() else { return 0 };
    let parts = Parts::of(request, faults);
    let steps: usize = parts.steps(study).iter().sum();
    ((1 + parts.bits.len() + parts.layers.len() + steps) * request.seeds.len()) as u64
}

/// The restrictions of the first faults of a request whose results a study needs whatever they are: all faults, single
/// bits, single layers. What is protected follows from these.
pub(super) fn singles(request: &Request<'_>) -> Vec<Faults> {
    let Some(faults) = request.faults.first() else { return Vec::new() };
    let parts = Parts::of(request, faults);
    let bits =
        parts.bits.iter().map(|&(bit, _)| faults.clone().in_bits(faults.positions.alone(bit)));
    let layers = parts.layers.iter();
    let layers = layers.map(|&(name, _)| faults.clone().in_layers(LayerChoice::only(&[name])));
    bits.chain(layers).collect()
}

/// Measures a network, behind the generator if there is one, under the first faults of a request with only one
/// bit position or one layer faulty, of those that can fail. The maps are the same each time: the faulty cells
/// of a bit are those that it has when all bits are faulty.
pub fn sensitivity(
    gpu: &Gpu,
    request: &Request<'_>,
    study: Study,
    journal: &mut Journal,
    tick: Tick<'_>,
) -> Result<Option<Sensitivity>> {
    let Request { subject, faults: [faults, ..], seeds, .. } = *request else { return Ok(None) };
    let parts = Parts::of(request, faults);
    let kind = if subject.generator.is_some() { Arrangement::Behind } else { Arrangement::Alone };
    let meter = Lazy::new(gpu, subject, seeds.len());
    let mut run = Runner { meter, kind, seeds, journal, tick };
    let clean = run.meter.clean(kind, run.journal, run.tick)?.accuracy();
    let everything = run.of(faults)?;
    let all: u64 = parts.layers.iter().map(|(_, stored)| stored).sum();
    let part = |name: String, stored_bits, accuracy: Spread| {
        let loss = clean - accuracy.mean;
        Part { name, stored_bits, accuracy, loss }
    };
    let mut of_bits = Vec::new();
    for &(bit, stored) in &parts.bits {
        let only = faults.clone().in_bits(faults.positions.alone(bit));
        of_bits.push(part(format!("bit {bit}"), stored, run.of(&only)?));
    }
    let mut of_layers = Vec::new();
    for &(name, stored) in &parts.layers {
        let only = faults.clone().in_layers(LayerChoice::only(&[name]));
        of_layers.push(part(name.to_owned(), stored, run.of(&only)?));
    }
    let step = |parts: &[Part], chosen: &[usize], accuracy: Spread| Protected {
        name: chosen.last().map_or(String::new(), |&i| parts[i].name.clone()),
        share: chosen.iter().map(|&i| parts[i].stored_bits).sum::<u64>() as f64 / all as f64,
        gain: accuracy.mean - everything.mean,
        accuracy,
    };
    let (mut protected_bits, mut protected_layers) = (Vec::new(), Vec::new());
    let [bits, layers] = parts.steps(study);
    let order = worst_first(&of_bits);
    for count in 1..=bits {
        let chosen = &order[..count];
        let weak = chosen
            .iter()
            .fold(faults.positions, |weak, &i| weak.among(weak.alone(parts.bits[i].0).others()));
        let accuracy = run.of(&faults.clone().in_bits(weak))?;
        protected_bits.push(step(&of_bits, chosen, accuracy));
    }
    let order = worst_first(&of_layers);
    for count in 1..=layers {
        let (chosen, weak) = order.split_at(count);
        let weak: Vec<&str> = weak.iter().map(|&i| parts.layers[i].0).collect();
        let accuracy = run.of(&faults.clone().in_layers(LayerChoice::only(&weak)))?;
        protected_layers.push(step(&of_layers, chosen, accuracy));
    }
    Ok(Some(Sensitivity {
        faults: faults.kind().to_string(),
        ber: faults.ber(),
        seeds: seeds.to_vec(),
        with_generator: subject.generator.is_some(),
        clean,
        everything,
        bits: of_bits,
        layers: of_layers,
        protected_bits,
        protected_layers,
    }))
}

/// Measures under one restriction of the faults after another.
struct Runner<'a, 'b> {
    meter: Lazy<'a>,
    kind: Arrangement,
    seeds: &'a [u64],
    journal: &'b mut Journal,
    tick: Tick<'b>,
}

impl Runner<'_, '_> {
    fn of(&mut self, faults: &Faults) -> Result<Spread> {
        let of = (faults, self.seeds);
        let maps = self.meter.maps(self.kind, self.journal, of, None, self.tick)?;
        Ok(Spread::of(&maps.iter().map(|m| m.answers.accuracy()).collect::<Vec<_>>()))
    }
}

/// Indices of the parts, the one that costs most first.
fn worst_first(parts: &[Part]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by(|&a, &b| parts[b].loss.total_cmp(&parts[a].loss));
    order
}
