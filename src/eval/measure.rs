//! Accuracies of a network over fault models, rates and seeds: clean (CA) and perturbed (PA), and the same
//! behind a generator, CA(NF) and PA(NF).

use super::{
    Journal, Meter, OfMap, RESIDENT, Subject,
    meter::{Answers, Arrangement, Tick},
};
use crate::{
    data::LabelsFrom,
    error::{Error, Result},
    fault::{Faults, Flips},
    report::{Evaluating, Event, Sink},
    run::Gpu,
};

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The networks and the images.
    pub subject: Subject<'a>,
    /// Faults, at each of their rates.
    pub faults: &'a [Faults],
    /// Seeds of the fault maps, the same for all faults.
    pub seeds: &'a [u64],
    pub keep_logits: bool,
}

/// Results of a request. Accuracies are in per cent.
#[derive(Clone, Debug, Default)]
pub struct Measurement {
    /// Answers without faults (CA).
    pub clean: Answers,
    /// Answers without faults behind the generator, CA(NF).
    pub clean_nf: Option<Answers>,
    /// Results with faults, one per fault model and rate.
    pub perturbed: Vec<PerturbedMeasurement>,
    /// Logits `[fault model][seed][image][class]` (behind the generator if there is one), flat, if the request
    /// keeps them.
    pub logits: Vec<f32>,
}

/// Results under one fault model and rate.
#[derive(Clone, Debug)]
pub struct PerturbedMeasurement {
    /// The fault model and rate.
    pub faults: Faults,
    /// Results of the base network alone, one per seed.
    pub alone: Vec<OfMap>,
    /// The same behind the generator; empty without one.
    pub behind: Vec<OfMap>,
}

impl PerturbedMeasurement {
    /// PA per seed.
    pub fn accuracy(&self) -> Vec<f64> {
        self.alone.iter().map(|m| m.answers.accuracy()).collect()
    }

    /// PA(NF) per seed; empty without a generator.
    pub fn accuracy_nf(&self) -> Vec<f64> {
        self.behind.iter().map(|m| m.answers.accuracy()).collect()
    }

    /// Bits that read differently, per seed and layer.
    pub fn flips(&self) -> impl Iterator<Item = &Vec<Flips>> {
        self.alone.iter().map(|m| &m.flips)
    }
}

/// Images that pass through the networks for a request, all maps and kinds counted.
pub fn passes(request: &Request<'_>) -> u64 {
    let kinds = 1 + u64::from(request.subject.generator.is_some());
    let maps = 1 + (request.faults.len() * request.seeds.len()) as u64;
    maps * kinds * request.subject.set.len() as u64
}

/// Carries out a request. `tick` is told how many more images are done, those that the journal knows included,
/// and stops the measurement with `false`. Results up to then are in the journal, but logits are not: a request
/// that keeps them measures anew.
pub fn measure(
    gpu: &Gpu,
    request: &Request<'_>,
    journal: &mut Journal,
    tick: Tick<'_>,
) -> Result<Measurement> {
    let Request { subject, faults, seeds, keep_logits } = *request;
    if subject.set.labels_from == LabelsFrom::Nobody {
        let what = "nobody has labelled its images";
        let hint = "measure agreement with the clean network: give the set its answers first";
        return Err(Error::argument("--dataset", what, hint));
    }
    let mut lazy = Lazy::new(gpu, subject, seeds.len());
    let last = if subject.generator.is_some() { Arrangement::Behind } else { Arrangement::Alone };
    let mut out = Measurement {
        clean: lazy.clean(Arrangement::Alone, journal, tick)?,
        ..Measurement::default()
    };
    if last == Arrangement::Behind {
        out.clean_nf = Some(lazy.clean(Arrangement::Behind, journal, tick)?);
    }
    for faults in faults {
        let mut of = |kind| -> Result<Vec<OfMap>> {
            let logits = (keep_logits && kind == last).then_some(&mut out.logits);
            lazy.maps(kind, journal, (faults, seeds), logits, tick)
        };
        let alone = of(Arrangement::Alone)?;
        let behind =
            if last == Arrangement::Behind { of(Arrangement::Behind)? } else { Vec::new() };
        out.perturbed.push(PerturbedMeasurement { faults: faults.clone(), alone, behind });
    }
    Ok(out)
}

/// [`measure`], with events about how far it is; `stop` ends it.
pub fn measure_with(
    gpu: &Gpu,
    request: &Request<'_>,
    journal: &mut Journal,
    sink: &mut dyn Sink,
    stop: &dyn Fn() -> bool,
) -> Result<Measurement> {
    let mut now = Evaluating { done: 0, all: passes(request) };
    let mut heard = sink.event(&Event::Evaluating(now));
    let measured = measure(gpu, request, journal, &mut |more| {
        now.done += more;
        if heard.is_ok() {
            heard = sink.event(&Event::Evaluating(now));
        }
        heard.is_ok() && !stop()
    });
    heard.and(measured)
}

/// Runs the first batch of everything that [`measure`] runs, and keeps no results: a lack of memory shows now,
/// and what is allocated once (pipelines, the driver's pools) is allocated.
pub fn rehearse(gpu: &Gpu, request: &Request<'_>) -> Result<()> {
    let Request { subject, faults, seeds, .. } = *request;
    let meter = Meter::new(gpu, subject, seeds.len(), RESIDENT)?;
    let behind = subject.generator.map(|_| Arrangement::Behind);
    for kind in [Arrangement::Alone].into_iter().chain(behind) {
        first_batch(meter.clean(kind, &mut |_| false))?;
        for faults in faults {
            let seeds = &seeds[..seeds.len().min(meter.together())];
            first_batch(meter.maps(kind, faults, seeds, None, &mut |_| false))?;
        }
    }
    Ok(())
}

/// Takes the interruption after the first batch, which is intended, for success.
fn first_batch<T>(stopped: Result<T>) -> Result<()> {
    match stopped {
        Err(Error::Interrupted) => Ok(()),
        other => other.map(drop),
    }
}

/// A meter that is only made if the journal does not know a result.
pub(super) struct Lazy<'a> {
    gpu: &'a Gpu,
    subject: Subject<'a>,
    maps: usize,
    meter: Option<Meter<'a>>,
}

impl<'a> Lazy<'a> {
    /// For `maps` maps of one fault model and rate.
    pub(super) fn new(gpu: &'a Gpu, subject: Subject<'a>, maps: usize) -> Self {
        Self { gpu, subject, maps, meter: None }
    }

    pub(super) fn meter(&mut self) -> Result<&Meter<'a>> {
        let made = match self.meter.take() {
            Some(meter) => meter,
            None => Meter::new(self.gpu, self.subject, self.maps, RESIDENT)?,
        };
        Ok(self.meter.insert(made))
    }

    /// The name of a result in the journal. Results of the base network alone have the same name for every
    /// generator.
    pub(super) fn name(&self, kind: Arrangement, of: &str) -> String {
        match kind {
            Arrangement::Alone => format!("alone: {of}"),
            Arrangement::Behind => format!("behind {}: {of}", self.subject.generator_id),
        }
    }

    /// The names of results under these maps.
    pub(super) fn names(&self, kind: Arrangement, faults: &Faults, seeds: &[u64]) -> Vec<String> {
        let identity = faults.identity();
        seeds.iter().map(|seed| self.name(kind, &format!("{identity} seed {seed}"))).collect()
    }

    pub(super) fn clean(
        &mut self,
        kind: Arrangement,
        journal: &mut Journal,
        tick: Tick<'_>,
    ) -> Result<Answers> {
        let name = self.name(kind, "clean");
        if let Some(known) = journal.get(&name) {
            tick(self.subject.set.len() as u64);
            return Ok(known.answers.clone());
        }
        let clean = self.meter()?.clean(kind, tick)?;
        journal.put(name, clean.clone())?;
        Ok(clean.answers)
    }

    pub(super) fn maps(
        &mut self,
        kind: Arrangement,
        journal: &mut Journal,
        (faults, seeds): (&Faults, &[u64]),
        mut logits: Option<&mut Vec<f32>>,
        tick: Tick<'_>,
    ) -> Result<Vec<OfMap>> {
        let names = self.names(kind, faults, seeds);
        let known = |name: &String| journal.get(name).filter(|_| logits.is_none()).cloned();
        let mut maps: Vec<Option<OfMap>> = names.iter().map(known).collect();
        tick((maps.iter().flatten().count() * self.subject.set.len()) as u64);
        let open: Vec<usize> = (0..seeds.len()).filter(|&i| maps[i].is_none()).collect();
        if open.is_empty() {
            return Ok(maps.into_iter().flatten().collect());
        }
        let meter = self.meter()?;
        for group in open.chunks(meter.together()) {
            let of_group: Vec<u64> = group.iter().map(|&i| seeds[i]).collect();
            let mut kept = logits.is_some().then(Vec::new);
            let done = meter.maps(kind, faults, &of_group, kept.as_mut(), tick)?;
            if let (Some(all), Some(kept)) = (&mut logits, kept) {
                all.extend(kept.into_iter().flatten());
            }
            for (&i, of_map) in group.iter().zip(done) {
                journal.put(names[i].clone(), of_map.clone())?;
                maps[i] = Some(of_map);
            }
        }
        Ok(maps.into_iter().flatten().collect())
    }
}
