//! One step of ordinary training: forward, cross-entropy, backward, SGD, as one program.

use super::loss_head::{LossHead, Wanted, loss_scale};
use crate::{
    error::Result,
    kernels::optimiser,
    nn::{Batch, Cut, DeviceImages, Pick, TrainableNet},
    run::{BufferId, Gpu, Program, Tape},
};
use std::ops::Range;

/// The program of a step.
#[derive(Debug)]
pub struct Supervised {
    program: Program,
    batch: Batch,
    schedule: BufferId,
    head: LossHead,
    seen: u64,
    cut: Cut,
    /// Loss scale: the loss is multiplied by it before the backward pass, and gradients are divided by
    /// it in the update.
    loss_scale: f32,
}

/// Loss and accuracy since the last time they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Mean cross-entropy.
    pub loss: f32,
    /// Share of right answers, in [0, 1].
    pub accuracy: f64,
}

impl Supervised {
    /// Compiles a step of `net` on batches of `n`, in parts of at most `micro_batch` (by default as
    /// many as fit). `optimiser` holds momentum and weight decay.
    pub fn new(
        gpu: &Gpu,
        net: &TrainableNet,
        images: &DeviceImages,
        n: u32,
        micro_batch: Option<u32>,
        optimiser: (f64, f64),
    ) -> Result<Self> {
        // Smaller parts would not help if memory runs out, because training keeps the values of all
        // parts.
        let cut = Cut::that_fits(gpu, n, 1, &[(&net.graph, 1)], micro_batch);
        Self::build(gpu, net, images, &cut, optimiser)
    }

    fn build(
        gpu: &Gpu,
        net: &TrainableNet,
        images: &DeviceImages,
        cut: &Cut,
        optimiser: (f64, f64),
    ) -> Result<Self> {
        let n: u32 = cut.parts.iter().sum();
        let mut tape = Tape::new();
        let batch = images.batch(&mut tape, &cut.parts)?;
        let head = LossHead::new(&mut tape, 1);
        let schedule = tape.kept("schedule", 16);
        let gradients = tape.import("gradients", &net.gradients);
        let parameters = tape.import("parameters", &net.parameters);
        let velocity = tape.import("velocity", &net.first);
        let mut compiler = net.compiler(gpu, &mut tape)?;
        let outputs = compiler.forward_parts(&mut tape, &batch.images())?;
        let mut dlogits = Vec::new();
        for (y, labels) in outputs.iter().zip(batch.labels()) {
            tape.mark("the losses");
            dlogits.push(head.append(&mut tape, *y, Wanted::Labels(labels))?);
        }
        compiler.backward_parts(&mut tape, &dlogits, Some(gradients), false)?;
        tape.mark("the update");
        let plan = optimiser::sgd::plan(net.offsets.len, optimiser.0, optimiser.1)?;
        tape.push(plan, &[schedule, gradients, parameters, velocity])?;
        let program = Program::build(gpu, &tape)?;
        let loss_scale = loss_scale(net.dtype(), 1.0 / f64::from(n));
        program.write(gpu, head.weights, 0, &[loss_scale / n as f32]);
        Ok(Self { program, batch, schedule, head, seen: 0, cut: cut.clone(), loss_scale })
    }

    /// How the step is cut to fit the adapter.
    #[must_use]
    pub fn cut(&self) -> &Cut {
        &self.cut
    }

    /// Runs step `step` of the run with seed `seed` on the chosen images, without waiting for it.
    pub fn step(
        &mut self,
        gpu: &Gpu,
        net: &TrainableNet,
        images: &DeviceImages,
        (picks, pixels): (&[Pick], &[u8]),
        (seed, step): (u64, u64),
        lr: f64,
    ) -> Result<()> {
        let run = &mut |program: &Program, entries| program.run_range(gpu, entries);
        self.step_by(gpu, net, images, (picks, pixels), (seed, step), lr, run)
    }

    /// Like [`Self::step`], but calls `run` to run the tape.
    #[expect(clippy::too_many_arguments, reason = "a step needs that much; all differ in type")]
    pub fn step_by(
        &mut self,
        gpu: &Gpu,
        net: &TrainableNet,
        images: &DeviceImages,
        (picks, pixels): (&[Pick], &[u8]),
        (seed, step): (u64, u64),
        lr: f64,
        run: &mut dyn FnMut(&Program, Range<usize>) -> Result<()>,
    ) -> Result<()> {
        self.batch.choose(gpu, &self.program, images, picks, pixels)?;
        net.seed_dropout(gpu, seed, step);
        self.program.write(gpu, self.schedule, 0, &[lr as f32, 1.0, 1.0, 1.0 / self.loss_scale]);
        self.seen += picks.len() as u64;
        run(&self.program, self.program.entries())
    }

    /// Mean values since the last call. Waits for the device.
    pub fn totals(&mut self, gpu: &Gpu) -> Result<Totals> {
        let words: Vec<u32> = self.program.read(gpu, self.head.totals)?;
        self.program.write(gpu, self.head.totals, 0, &[0u32; 2]);
        let images = std::mem::take(&mut self.seen).max(1) as f64;
        Ok(Totals {
            loss: (f64::from(f32::from_bits(words[0])) / images) as f32,
            accuracy: f64::from(words[1]) / images,
        })
    }

    /// Loss scale: the loss is multiplied by it before the backward pass, and gradients are divided by
    /// it in the update.
    #[must_use]
    pub fn loss_scale(&self) -> f32 {
        self.loss_scale
    }

    /// The compiled program, for profiles.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }
}
