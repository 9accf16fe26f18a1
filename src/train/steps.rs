//! The steps of an EOPM training: checks, checkpoints and evaluations around the shared loop.

use super::{
    attempt::{Run, Trained},
    every::{Due, Every},
    feed::{Feed, TrainSet},
    profile::Profiler,
    recovery::{Attempt, OnNan},
    sampler::Sampler,
    shared::{Coordinator, SharedStep, Statistics},
    stepper::{Course, Stepper},
    verify::Check,
};
use crate::{
    data::ImageSet,
    error::{Error, Result},
    report::{Event, Finished, Outcome, Sink},
    run::Program,
    step::{Eopm, EopmSettings, Loss, TrainingStep as _},
};

impl Run<'_> {
    /// Runs the training steps from step `done` on.
    pub(super) fn steps(
        &mut self,
        train_set: TrainSet,
        held_out: &ImageSet,
        done: u64,
        mut profiler: Profiler,
        sink: &mut dyn Sink,
        stop: &dyn Fn() -> bool,
    ) -> Result<Attempt<Trained>> {
        let (gpu, config) = (self.gpu, self.config);
        let n = config.batch_size;
        let changes = train_set.remaining(config.augment.of(&self.dataset));
        let sampler = Sampler::new(train_set.len(), n, config.seed, train_set.chw(), changes);
        let per_epoch = sampler.steps_per_epoch();
        let steps = config.steps.unwrap_or(config.epochs * per_epoch);
        if steps < done {
            let what = format!("{steps} steps in all; the run has done {done}");
            return Err(Error::argument("--steps", what, "give at least as many"));
        }
        if self.changed {
            self.folder.note_settings(config)?;
        }
        let loss = config.goal.loss()?;
        let feed = Feed::new(gpu, train_set, sampler, done..steps, config.seed)?;
        let settings = EopmSettings {
            base: (&self.base.graph, &self.base.weights),
            precision: self.precision,
            perturbed: config.perturbed_copies()?,
            faults: &self.faults,
            maps: self.maps,
            lambda: config.lambda,
            loss,
            batch: n,
            micro_batch: config.micro_batch,
            group: config.group,
        };
        let eopm = Eopm::new(gpu, &self.net, &feed.images, &settings)?;
        let others = self.others(&eopm, sink, stop)?;
        let statistics = Statistics::of(gpu, &self.net, others.is_some())?;
        let pinned = others.as_ref().and_then(Coordinator::pinned);
        let ranks = others.as_ref().map(Coordinator::describe);
        let program = SharedStep { eopm, others };
        // Where adapters differ, the result depends on who computes which groups, too.
        let cut = std::iter::once(program.cut().describe()).chain(pinned);
        let cut = cut.collect::<Vec<_>>().join(" on ");
        if done > 0 {
            self.folder.saved().same_cut(&cut)?;
        } else {
            self.folder.note_choices(&gpu.choices())?;
        }
        let convolutions = match config.verify_every {
            Some(_) => program.eopm.convolutions().to_vec(),
            None => Vec::new(),
        };
        let history = &self.history;
        let course = Course {
            steps,
            per_epoch,
            images: n,
            // At least fifty points for a curve, and a look at the numbers every ten steps.
            report_every: (steps / 50).clamp(1, 10),
            rate: &|step| config.schedule.rate(config.lr, step, steps) * history.rate(step),
            distance: loss != Loss::Labels,
            stored: self.faults.stored(),
        };
        let mut stepper = Stepper::new(gpu, program, feed, &self.net, done, course)?;
        let title = format!(
            "training {} in front of {} on {}",
            self.graph.name, self.base.model, self.dataset
        );
        let mut more = vec![format!("faults: {}, {}", self.faults, self.maps.describe())];
        more.extend(ranks);
        more.extend(config.goal.words()?.map(|words| format!("loss: {words}")));
        more.extend(self.base.graph.remarks(&self.faults)?);
        stepper.begin(title, (&self.graph, self.net.dtype()), more, done, sink)?;
        let glance_at = |done: u64| {
            let due = done.is_multiple_of(config.eval_every.unwrap_or(per_epoch));
            due && done < steps && !held_out.is_empty()
        };
        let glances = (done + 1..steps).any(glance_at);
        let first = done;
        let mut checkpoint = Due::new(config.checkpoint_every.unwrap_or(Every::Steps(per_epoch)));
        // The run may have been killed between a checkpoint and the evaluation that follows it.
        if done > 0 && glance_at(done) && !self.has_glance(done)? {
            self.glance(held_out, done, stepper.epoch(done), sink, stop)?;
            stepper.goes_on(done);
        }
        for step in done..steps {
            profiler.before(gpu, step - first, steps - step)?;
            let check = match config.verify_every {
                Some(every) if (step + 1).is_multiple_of(every) => {
                    Check::draw(&convolutions, config.seed, step)
                }
                _ => None,
            };
            statistics.keep(gpu);
            let stepped = match check {
                Some(mut check) => {
                    let run = &mut |program: &Program, entries| check.run(gpu, program, entries);
                    stepper.step(step, Some(run))
                }
                None => stepper.step(step, None),
            };
            // Another rank is gone, or the job is about to be: its time may be short.
            if let Err(error @ (Error::Interrupted | Error::Rank { .. })) = stepped {
                statistics.put_back(gpu);
                if stepper.is_sound()? {
                    self.folder.save(gpu, &self.net, step, &self.identity(), &cut)?;
                    sink.event(&Event::Checkpoint(self.folder.checkpoint()))?;
                }
                if matches!(error, Error::Interrupted) {
                    self.interrupted(step, stepper.seconds(), sink)?;
                }
                return Err(error);
            }
            stepped?;
            profiler.after(gpu, sink)?;
            let done = step + 1;
            let mut stopped = stop();
            let save = checkpoint.after(done) && done < steps || stopped;
            if let Some(error) = stepper.look(done, save, sink)? {
                return match config.on_nan {
                    OnNan::Stop => Err(error),
                    OnNan::Rollback => Ok(Attempt::RollBack(error)),
                };
            }
            let keep = |sink: &mut dyn Sink| {
                self.folder.save(gpu, &self.net, done, &self.identity(), &cut)?;
                sink.event(&Event::Checkpoint(self.folder.checkpoint()))
            };
            if save {
                keep(sink)?;
                stepper.goes_on(done);
            }
            // After the first step, because a software adapter allocates the memory of a step only
            // then.
            if glances && step == first && !stopped {
                self.rehearse_glance(held_out)?;
                stepper.goes_on(done);
            }
            // After the checkpoint, so that an evaluation that fails loses nothing.
            if glance_at(done) && !stopped {
                match self.glance(held_out, done, stepper.epoch(done), sink, stop) {
                    // Whoever interrupts may have little time: the resumed run repeats the evaluation.
                    Err(Error::Interrupted) => stopped = true,
                    looked => looked?,
                }
                if stopped && !save {
                    keep(sink)?;
                }
                stepper.goes_on(done);
            }
            if stopped {
                self.interrupted(done, stepper.seconds(), sink)?;
                return Err(Error::Interrupted);
            }
        }
        self.folder.save(gpu, &self.net, steps, &self.identity(), &cut)?;
        let (epochs, seconds) = (stepper.epoch(steps), stepper.seconds());
        Ok(Attempt::Done(Trained { steps, epochs, seconds }))
    }

    /// Tells that the run ends after `step` with its checkpoint.
    fn interrupted(&self, step: u64, seconds: f64, sink: &mut dyn Sink) -> Result<()> {
        let (outcome, files) = (Outcome::Interrupted, vec![self.folder.checkpoint()]);
        sink.event(&Event::Finished(Finished { outcome, step, seconds, files }))
    }
}
