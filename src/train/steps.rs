//! The steps of a run: batches, updates, reports, checkpoints.

use super::{
    every::{Due, Every},
    feed::{Feed, TrainSet},
    fuse::{Run, Trained},
    pretrain::{arithmetic_line, plan_lines},
    profile::Profiler,
    recovery::{Attempt, OnNan},
    sampler::Sampler,
    sentinel::{Sentinel, not_finite},
    verify::Check,
};
use crate::{
    data::ImageSet,
    error::{Error, Result},
    report::{Event, Finished, Outcome, Sink, Started, Step},
    run::Program,
    step::{Eopm, EopmSettings},
};
use std::time::Instant;

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
        let changes = config.augment.of(&self.dataset).of(&train_set);
        let sampler = Sampler::new(train_set.len(), n, config.seed, train_set.side(), changes);
        let per_epoch = sampler.steps_per_epoch();
        let steps = config.steps.unwrap_or(config.epochs * per_epoch);
        if steps < done {
            let what = format!("{steps} steps in all; the run has done {done}");
            return Err(Error::argument("--steps", what, "give at least as many"));
        }
        if self.changed {
            self.folder.note_settings(config)?;
        }
        let distill = config.goal.distill()?;
        let mut feed = Feed::new(gpu, train_set, sampler, done..steps, config.seed)?;
        let settings = EopmSettings {
            base: (&self.base.graph, &self.base.weights),
            precision: self.precision,
            perturbed: config.perturbed_copies()?,
            faults: &self.faults,
            maps: self.maps,
            lambda: config.lambda,
            distill,
            batch: n,
            micro_batch: config.micro_batch,
        };
        let mut program = Eopm::new(gpu, &self.net, &feed.images, &settings)?;
        let cut = program.cut().describe();
        if done > 0 {
            self.folder.same_cut(&cut)?;
        }
        let mut plan = plan_lines(&self.graph, program.program(), program.cut());
        plan.push(arithmetic_line(gpu, self.net.dtype(), program.loss_scale()));
        plan.push(format!("faults: {}, {}", self.faults, self.maps.describe()));
        plan.extend(config.goal.words()?.map(|words| format!("loss: {words}")));
        plan.extend(self.base.graph.remarks(&self.faults)?);
        let choices = gpu.choices();
        plan.push(format!("kernels: {}", choices.summary()));
        if done == 0 {
            self.folder.note_choices(&choices)?;
        }
        sink.event(&Event::Started(Started {
            title: format!(
                "training {} in front of {} on {}",
                self.graph.name, self.base.model, self.dataset
            ),
            adapter: format!("{}, {}", gpu.report().line(), self.net.dtype().name()),
            plan,
            steps,
            done,
        }))?;
        let glance_at = |done: u64| {
            let due = done.is_multiple_of(config.eval_every.unwrap_or(per_epoch));
            due && done < steps && !held_out.is_empty()
        };
        let glances = (done + 1..steps).any(glance_at);
        let stored_bits = self.base.graph.faultable_weights() * u64::from(self.precision);
        let (started, first) = (Instant::now(), done);
        let mut last = (Instant::now(), done);
        // Each report reads losses and flips back, which stalls the GPU: about fifty suffice for a
        // curve.
        let report_every = (steps / 50).clamp(1, 10);
        let mut checkpoint = Due::new(config.checkpoint_every.unwrap_or(Every::Steps(per_epoch)));
        // The run may have been killed between a checkpoint and the evaluation that follows it.
        if done > 0 && glance_at(done) && !self.has_glance(done)? {
            self.glance(held_out, done, done.div_ceil(per_epoch), sink, stop)?;
        }
        let convolutions = match config.verify_every {
            Some(_) => program.convolutions().to_vec(),
            None => Vec::new(),
        };
        let mut sentinel = Sentinel::new(gpu, &self.net, done)?;
        let history = &self.history;
        let rate = |step| config.schedule.rate(config.lr, step, steps) * history.rate(step);
        for step in done..steps {
            let lr = rate(step);
            profiler.before(gpu, step - first, steps - step)?;
            let batch = gpu.span("prepare batch");
            let (picks, pixels) = feed.batch(step)?;
            drop(batch);
            let check = match config.verify_every {
                Some(every) if (step + 1).is_multiple_of(every) => {
                    Check::draw(&convolutions, config.seed, step)
                }
                _ => None,
            };
            let batch = (&picks[..], &pixels[..]);
            match check {
                Some(mut check) => {
                    let run = &mut |program: &Program, entries| check.run(gpu, program, entries);
                    program.step_by(gpu, &feed.images, batch, step, lr, run)?;
                }
                None => program.step(gpu, &feed.images, batch, step, lr)?,
            }
            profiler.after(gpu, sink)?;
            let done = step + 1;
            let epoch = step / per_epoch + 1;
            let report = done.is_multiple_of(report_every) || done == steps;
            let mut stopped = stop();
            let save = checkpoint.after(done) && done < steps || stopped;
            if report || save {
                let losses = report.then(|| program.losses(gpu)).transpose()?;
                let bad = losses.filter(|losses| !losses.are_finite()).map(|_| "loss");
                if let Some(bad) = bad.map_or_else(|| sentinel.check(gpu), |bad| Ok(Some(bad)))? {
                    let blamed = sentinel.blame(gpu, done, &mut |step, run| {
                        feed.rewind(step);
                        let (picks, pixels) = feed.batch(step)?;
                        let batch = (&picks[..], &pixels[..]);
                        program.step_by(gpu, &feed.images, batch, step, rate(step), run)?;
                        Ok(program.losses(gpu)?.are_finite())
                    })?;
                    let error = not_finite(bad, blamed);
                    return match config.on_nan {
                        OnNan::Stop => Err(error),
                        OnNan::Rollback => Ok(Attempt::RollBack(error)),
                    };
                }
                sentinel.keep(gpu, done)?;
                if let Some(losses) = losses {
                    let seconds = last.0.elapsed().as_secs_f64() / (done - last.1) as f64;
                    last = (Instant::now(), done);
                    sink.event(&Event::Step(Step {
                        step: done,
                        steps,
                        epoch,
                        loss_clean: losses.clean,
                        loss_perturbed: Some(losses.perturbed),
                        distance: distill.is_some(),
                        lr,
                        images_per_s: f64::from(n) / seconds,
                        step_ms: seconds * 1e3,
                        flip_rate: Some(program.flip_rate(gpu, stored_bits)?),
                        seconds_left: seconds * (steps - done) as f64,
                    }))?;
                }
            }
            let keep = |sink: &mut dyn Sink| {
                self.folder.save(gpu, &self.net, done, &self.identity(), &cut)?;
                sink.event(&Event::Checkpoint(self.folder.checkpoint()))
            };
            if save {
                keep(sink)?;
                last = (Instant::now(), done);
            }
            // After the first step, because a software adapter allocates the memory of a step only
            // then.
            if glances && step == first && !stopped {
                self.rehearse_glance(held_out)?;
                last = (Instant::now(), done);
            }
            // After the checkpoint, so that an evaluation that fails loses nothing.
            if glance_at(done) && !stopped {
                match self.glance(held_out, done, epoch, sink, stop) {
                    // Whoever interrupts may have little time: the resumed run repeats the evaluation.
                    Err(Error::Interrupted) => stopped = true,
                    looked => looked?,
                }
                if stopped && !save {
                    keep(sink)?;
                }
                last = (Instant::now(), done);
            }
            if stopped {
                let seconds = started.elapsed().as_secs_f64();
                let files = vec![self.folder.checkpoint()];
                let outcome = Outcome::Interrupted;
                sink.event(&Event::Finished(Finished { outcome, step: done, seconds, files }))?;
                return Err(Error::Interrupted);
            }
        }
        self.folder.save(gpu, &self.net, steps, &self.identity(), &cut)?;
        let (epochs, seconds) = (steps.div_ceil(per_epoch), started.elapsed().as_secs_f64());
        Ok(Attempt::Done(Trained { steps, epochs, seconds }))
    }
}
