//! What each bit position and each layer contributes to the loss of accuracy: only one of them is
//! faulty at a time. And what protecting the worst of them buys.

use super::{
    Journal, Request,
    measure::Lazy,
    meter::{Kind, Tick},
};
use crate::{
    error::Result,
    fault::{Faults, LayerChoice, Positions},
    gpu::Gpu,
    report::eval_json::{Part, Protected, Sensitivity, Spread},
};

/// What a study does beside the single bits and layers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Study {
    /// Bit positions, and layers, that are protected one after another, at most.
    pub protect: usize,
}

/// Fault maps that a study measures, all in all.
#[must_use]
pub fn study_maps(request: &Request<'_>, study: Study) -> u64 {
    let bits = request.subject.precision as usize;
    let layers = request.subject.base.0.layers.len();
    let steps = study.protect.min(bits - 1) + study.protect.min(layers - 1);
    ((1 + bits + layers + steps) * request.seeds.len()) as u64
}

/// Measures a network under the first faults of a request with only one bit position or one layer
/// faulty; behind the generator if there is one. The same maps each time: the cells of a bit are
/// those that it has when all are faulty.
///
/// # Errors
/// As [`super::measure`].
pub fn sensitivity(
    gpu: &Gpu,
    request: &Request<'_>,
    study: Study,
    journal: &mut Journal,
    tick: Tick<'_>,
) -> Result<Option<Sensitivity>> {
    let Request { subject, faults: [faults, ..], seeds, .. } = *request else { return Ok(None) };
    let (graph, bits) = (subject.base.0, subject.precision);
    let kind = if subject.generator.is_some() { Kind::Behind } else { Kind::Alone };
    let meter = Lazy::new(gpu, subject, seeds.len());
    let mut run = Runner { meter, kind, seeds, journal, tick };
    let clean = run.meter.clean(kind, run.journal, run.tick)?.accuracy();
    let everything = run.of(faults)?;
    let names: Vec<&str> = graph.layer_names().collect();
    let stored: Vec<u64> =
        graph.layers.iter().map(|l| u64::from(l.shape.len()) * u64::from(bits)).collect();
    let all: u64 = stored.iter().sum();
    let part = |name: String, stored_bits, accuracy: Spread| {
        let loss = clean - accuracy.mean;
        Part { name, stored_bits, accuracy, loss }
    };
    let mut of_bits = Vec::new();
    for bit in 0..bits {
        let only = faults.clone().in_bits(Positions::only(bit));
        of_bits.push(part(format!("bit {bit}"), all / u64::from(bits), run.of(&only)?));
    }
    let mut of_layers = Vec::new();
    for (name, &stored) in names.iter().zip(&stored) {
        let only = faults.clone().in_layers(LayerChoice::only(&[name]));
        of_layers.push(part((*name).to_owned(), stored, run.of(&only)?));
    }
    let step = |parts: &[Part], chosen: &[usize], accuracy: Spread| Protected {
        name: chosen.last().map_or(String::new(), |&i| parts[i].name.clone()),
        share: chosen.iter().map(|&i| parts[i].stored_bits).sum::<u64>() as f64 / all as f64,
        gain: accuracy.mean - everything.mean,
        accuracy,
    };
    let (mut protected_bits, mut protected_layers) = (Vec::new(), Vec::new());
    let order = worst_first(&of_bits);
    for count in 1..=study.protect.min(order.len() - 1) {
        let chosen = &order[..count];
        let none = Positions::ALL.others();
        let hard = chosen.iter().fold(none, |set, &i| set.and(Positions::only(i as u32)));
        let accuracy = run.of(&faults.clone().in_bits(hard.others()))?;
        protected_bits.push(step(&of_bits, chosen, accuracy));
    }
    let order = worst_first(&of_layers);
    for count in 1..=study.protect.min(order.len() - 1) {
        let chosen = &order[..count];
        let hard: Vec<&str> = chosen.iter().map(|&i| names[i]).collect();
        let accuracy = run.of(&faults.clone().in_layers(LayerChoice::without(&hard)))?;
        protected_layers.push(step(&of_layers, chosen, accuracy));
    }
    Ok(Some(Sensitivity {
        faults: faults.model.to_string(),
        ber: faults.mean_ber(),
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
    kind: Kind,
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
