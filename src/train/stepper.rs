//! The loop that pretraining and EOPM training share: it takes a batch, runs a step, looks at the numbers every few
//! steps, and tells progress. Checkpoints and evaluations are its users'.

use super::{
    feed::Feed,
    sentinel::{Sentinel, not_finite},
};
use crate::{
    error::{Error, Result},
    fault::FloatFormat,
    kernels::plan::Dtype,
    nn::{Cut, Graph, TrainableNet, dtype_line},
    report::{Event, Sink, Started, Step},
    run::{Gpu, Program},
    step::{Losses, RunEntries, TrainingStep},
    words::mebibytes,
};
use std::time::Instant;

/// What the steps of a run have in common.
pub(super) struct Course<'a> {
    /// Steps of the whole run.
    pub(super) steps: u64,
    /// Steps of an epoch.
    pub(super) per_epoch: u64,
    /// Images of a step.
    pub(super) images: u32,
    /// Steps between two reports. Each reads losses back, which stalls the GPU.
    pub(super) report_every: u64,
    /// Learning rate of a step, which is counted from 0.
    pub(super) rate: &'a dyn Fn(u64) -> f64,
    /// Whether the loss is a distance between answers instead of a cross-entropy.
    pub(super) distance: bool,
    /// Format of the base network's weights, if they are floats in the memory.
    pub(super) stored: Option<FloatFormat>,
}

/// Runs the steps of a training.
pub(super) struct Stepper<'a, S> {
    gpu: &'a Gpu,
    program: S,
    feed: Feed,
    sentinel: Sentinel,
    course: Course<'a>,
    started: Instant,
    /// When the pace was last measured, and how many steps were done then.
    last: (Instant, u64),
}

impl<'a, S: TrainingStep> Stepper<'a, S> {
    /// A stepper for a network after `done` steps.
    pub(super) fn new(
        gpu: &'a Gpu,
        program: S,
        feed: Feed,
        net: &TrainableNet,
        done: u64,
        course: Course<'a>,
    ) -> Result<Self> {
        let sentinel = Sentinel::new(gpu, net, done)?;
        let now = Instant::now();
        Ok(Self { gpu, program, feed, sentinel, course, started: now, last: (now, done) })
    }

    /// Runs step `step`, counted from 0, without waiting for it. `run` runs its tape, if somebody wants to look
    /// into it.
    pub(super) fn step(&mut self, step: u64, run: Option<RunEntries<'_>>) -> Result<()> {
        let (gpu, at) = (self.gpu, (step, (self.course.rate)(step)));
        let span = gpu.span("prepare batch");
        let (picks, pixels) = self.feed.batch(step)?;
        drop(span);
        let batch = (&picks[..], &pixels[..]);
        match run {
            Some(run) => self.program.run_by(gpu, &self.feed.images, batch, at, run),
            None => self.program.run(gpu, &self.feed.images, batch, at),
        }
    }

    /// Looks at the numbers after `done` steps, if a report is due or the state is about to be kept (`keeps`), and
    /// reports. Returns the error of a number that is not finite, which names step and layer.
    pub(super) fn look(
        &mut self,
        done: u64,
        keeps: bool,
        sink: &mut dyn Sink,
    ) -> Result<Option<Error>> {
        let report = done.is_multiple_of(self.course.report_every) || done == self.course.steps;
        if !report && !keeps {
            return Ok(None);
        }
        let losses = report.then(|| self.program.losses(self.gpu)).transpose()?;
        let bad = match losses {
            Some(losses) if !losses.are_finite() => Some("loss"),
            _ => self.sentinel.check(self.gpu)?,
        };
        if let Some(bad) = bad {
            return self.blame(bad, done).map(Some);
        }
        self.sentinel.keep(self.gpu, done)?;
        losses.map_or(Ok(None), |losses| self.report(done, losses, sink).map(|()| None))
    }

    /// Whether all numbers of the state are finite.
    pub(super) fn is_sound(&self) -> Result<bool> {
        Ok(self.sentinel.check(self.gpu)?.is_none())
    }

    /// Does the steps since the last good look again, to see where the first bad number comes from.
    fn blame(&mut self, bad: &str, done: u64) -> Result<Error> {
        let Self { gpu, program, feed, sentinel, course, .. } = self;
        let blamed = sentinel.blame(gpu, done, &mut |step, run| {
            feed.rewind(step);
            let (picks, pixels) = feed.batch(step)?;
            let at = (step, (course.rate)(step));
            program.run_by(gpu, &feed.images, (&picks, &pixels), at, run)?;
            Ok(program.losses(gpu)?.are_finite())
        })?;
        Ok(not_finite(bad, blamed, course.stored))
    }

    fn report(&mut self, done: u64, losses: Losses, sink: &mut dyn Sink) -> Result<()> {
        let seconds = self.last.0.elapsed().as_secs_f64() / (done - self.last.1) as f64;
        self.goes_on(done);
        let course = &self.course;
        sink.event(&Event::Step(Step {
            step: done,
            steps: course.steps,
            epoch: self.epoch(done),
            loss_clean: losses.clean,
            loss_perturbed: losses.perturbed,
            distance: course.distance,
            lr: (course.rate)(done - 1),
            images_per_s: f64::from(course.images) / seconds,
            step_ms: seconds * 1e3,
            flip_rate: self.program.flip_rate(self.gpu)?,
            seconds_left: seconds * (course.steps - done) as f64,
        }))
    }

    /// Leaves the time since the last report out of the pace: something else than steps took it.
    pub(super) fn goes_on(&mut self, done: u64) {
        self.last = (Instant::now(), done);
    }

    /// The epoch, counted from 1, that the last of `done` steps is in.
    pub(super) fn epoch(&self, done: u64) -> u64 {
        done.div_ceil(self.course.per_epoch)
    }

    /// Seconds since the stepper was made.
    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Says what is about to run; `more` are lines of this kind of training.
    pub(super) fn begin(
        &self,
        title: String,
        (graph, dtype): (&Graph, Dtype),
        more: Vec<String>,
        done: u64,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let mut plan = plan_lines(graph, self.program.program(), self.program.cut());
        plan.push(arithmetic_line(self.gpu, dtype, self.program.loss_scale()));
        plan.extend(more);
        plan.push(format!("kernels: {}", self.gpu.choices().summary()));
        let adapter = format!("{}, {}", self.gpu.report().line(), dtype.name());
        sink.event(&Event::Started(Started {
            title,
            adapter,
            plan,
            steps: self.course.steps,
            done,
        }))
    }
}

/// Lines that tell the user what is about to run.
fn plan_lines(graph: &Graph, program: &Program, cut: &Cut) -> Vec<String> {
    let memory = program.memory();
    let [shared, unshared, kept] = [memory.shared, memory.unshared, memory.kept].map(mebibytes);
    vec![
        format!(
            "{}: {} parameters, {:.1} million multiply-adds an image",
            graph.name,
            graph.parameter_count(),
            graph.macs() as f64 / 1e6
        ),
        format!(
            "{} dispatches a step; {shared:.0} MiB for activations ({unshared:.0} without sharing), \
             {kept:.0} MiB kept; {}",
            program.dispatches(),
            cut.describe()
        ),
    ]
}

/// A line on how a run computes.
fn arithmetic_line(gpu: &Gpu, dtype: Dtype, loss_scale: f32) -> String {
    let scaled = match dtype {
        Dtype::F32 => String::new(),
        Dtype::F16 => format!("; loss times {loss_scale} on the way back"),
    };
    format!("arithmetic: {}{scaled}", dtype_line(gpu, dtype))
}
