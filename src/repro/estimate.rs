//! Estimates how long the remaining cells take on this adapter, from steps that are timed on it.

use super::{
    artefacts::Artefacts,
    evaluate::BATCH,
    forecast::{Shared, Work},
    plan::{PlannedCell, QueuePlan},
    results::{Results, State},
    settings::ReproSettings,
};
use crate::{
    bench::{self, StepSettings},
    error::{Error, Result},
    report::{Event, Sink},
    run::Gpu,
    step::Loss,
    train::{Length, RunFolder, steps_done},
};
use std::collections::BTreeMap;

/// Times each kind of work in a plan once.
pub(super) struct Stopwatch<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) plan: &'a QueuePlan,
    pub(super) settings: &'a ReproSettings,
    pub(super) artefacts: &'a Artefacts<'a>,
    /// Number of test images in an evaluation.
    pub(super) images: u64,
    pub(super) sink: &'a mut dyn Sink,
    pub(super) stop: &'a dyn Fn() -> bool,
    /// Measured seconds by the name of the work.
    pub(super) known: BTreeMap<String, f64>,
}

impl Stopwatch<'_> {
    /// The work that remains for the cells without a measurement. Of a training that has begun, only the
    /// remaining steps count.
    pub(super) fn work(&mut self, results: &Results) -> Result<Work> {
        let mut work = Work::default();
        for (i, planned) in self.plan.cells.iter().enumerate() {
            let Ok(training) = planned.training else { continue };
            if results.cells[i].state != State::NotRun {
                continue;
            }
            let source = self.artefacts.source(training);
            let needs =
                [Shared::Base(planned.base), Shared::Base(source), Shared::Training(training)];
            for need in needs {
                if !work.knows(need) {
                    let seconds = match need {
                        Shared::Base(i) => self.base(i)?,
                        Shared::Training(i) => self.training(i)?,
                    };
                    work.takes(need, seconds);
                }
            }
            let own = self.evaluation(planned, training)?;
            work.add(i, planned.cell.id(), &needs, own);
        }
        Ok(work)
    }

    /// Seconds until base network `i` is finished.
    fn base(&mut self, i: usize) -> Result<f64> {
        // Making random weights takes a negligible time.
        if self.artefacts.has_base(i)? || self.settings.smoke {
            return Ok(0.0);
        }
        let config = self.artefacts.pretraining(i)?;
        let length = Length::of_pretraining(&config)?;
        let done = steps_done(&self.artefacts.base(i).checkpoint())?;
        let left = length.steps.saturating_sub(done);
        let (gpu, model, batch) = (self.gpu, &config.model, config.batch_size);
        let dtype = config.dtype.on(gpu);
        let what = format!("{model} in batches of {batch}");
        let step =
            self.timed(what, |gpu| bench::estimate_pretraining_step(gpu, model, batch, dtype))?;
        let glances = left / length.per_epoch * length.glance + self.images;
        Ok(left as f64 * step + glances as f64 * self.pass(model, None)?)
    }

    /// Seconds until generator `i` is finished, with the evaluations that are part of a training.
    fn training(&mut self, i: usize) -> Result<f64> {
        if self.artefacts.has_generator(i)? {
            return Ok(0.0);
        }
        let config = self.artefacts.train_config(i)?;
        let length = Length::of_training(&config, &self.plan.dataset)?;
        let done = match self.artefacts.is_begun(i) {
            true => steps_done(&RunFolder::at(&self.artefacts.training(i)).checkpoint())?,
            false => 0,
        };
        let left = length.steps.saturating_sub(done);
        let (base, generator) = (&self.plan.trainings[i].base, &config.generator);
        let settings = StepSettings {
            batch: config.batch_size,
            copies: config.copies,
            dtype: config.dtype.unwrap_or_default().on(self.gpu),
            loss: Loss::Labels,
        };
        let StepSettings { batch, copies, .. } = settings;
        let what = format!("{generator} in front of {base}, {copies} copies, batches of {batch}");
        let names = (generator.as_str(), base.as_str());
        let step = self.timed(what, |gpu| bench::estimate_step(gpu, names, settings))?;
        let images = config.images.map_or(self.images, |n| (n as u64).min(self.images));
        // Evaluations during training have clean weights and one fault map; the last one has all
        // maps.
        let passes = left / length.per_epoch * 2 * length.glance + images * (1 + length.final_maps);
        Ok(left as f64 * step + passes as f64 * self.both(base, generator)?)
    }

    /// Seconds of a cell's own evaluation, after the training has ended.
    fn evaluation(&mut self, planned: &PlannedCell, training: usize) -> Result<f64> {
        let t = &self.plan.trainings[training];
        let same_base = t.base == self.plan.bases[planned.base];
        let same_faults = t.ber == planned.cell.ber && planned.cell.bits == 8;
        let seeds = &self.settings.seeds;
        if same_base
            && same_faults
            && !self.settings.smoke
            && *seeds == ReproSettings::default().seeds
        {
            // The evaluation at the end of the training serves as this cell's.
            return Ok(0.0);
        }
        let passes = self.images * (1 + seeds.len() as u64);
        Ok(passes as f64 * self.both(&self.plan.bases[planned.base], &t.generator)?)
    }

    /// Seconds per image for a base network alone plus behind a generator.
    fn both(&mut self, base: &str, generator: &str) -> Result<f64> {
        Ok(self.pass(base, None)? + self.pass(base, Some(generator))?)
    }

    fn pass(&mut self, base: &str, generator: Option<&str>) -> Result<f64> {
        let behind = generator.map_or(String::new(), |generator| format!(" behind {generator}"));
        let batch = u32::try_from(self.images).map_or(BATCH, |images| images.clamp(1, BATCH));
        self.timed(format!("an evaluation of {base}{behind}"), |gpu| {
            bench::estimate_pass(gpu, base, generator, batch)
        })
    }

    /// Times a kind of work, unless its time is known already.
    fn timed(&mut self, what: String, time: impl FnOnce(&Gpu) -> Result<f64>) -> Result<f64> {
        if let Some(&seconds) = self.known.get(&what) {
            return Ok(seconds);
        }
        if (self.stop)() {
            return Err(Error::Interrupted);
        }
        self.sink.event(&Event::Note(format!("timing {what}")))?;
        let seconds = match time(self.gpu.latest()) {
            // Its cells will fail with this error as soon as they begin: the estimate need not.
            Err(error) if error.is_size() => 0.0,
            seconds => seconds?,
        };
        self.known.insert(what, seconds);
        Ok(seconds)
    }
}
