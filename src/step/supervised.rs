//! One step of ordinary training: forward, cross-entropy, backward, SGD, as one program.

use super::{
    Losses, RunEntries, TrainingStep,
    loss_head::{Loss, LossHead, loss_scale},
};
use crate::{
    error::Result,
    kernels::optimiser,
    nn::{Batch, Cut, DeviceImages, DropoutSeed, Pick, Together, TrainableNet},
    run::{BufferId, Gpu, Program, Tape},
};

/// The program of a step.
#[derive(Debug)]
pub struct Supervised {
    program: Program,
    batch: Batch,
    schedule: BufferId,
    head: LossHead,
    dropout: DropoutSeed,
    /// Seed of the training run.
    seed: u64,
    /// Images since the losses were read.
    seen: u64,
    cut: Cut,
    /// Loss scale: the loss is multiplied by it before the backward pass, and gradients are divided by
    /// it in the update.
    loss_scale: f32,
}

/// What a supervised step computes.
#[derive(Clone, Copy, Debug)]
pub struct SupervisedSettings {
    /// Images of a batch.
    pub batch: u32,
    /// Images of a part of it at most; by default as many as fit.
    pub micro_batch: Option<u32>,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Weight decay of SGD.
    pub weight_decay: f64,
    /// Seed of the training run, for dropout.
    pub seed: u64,
}

impl Supervised {
    /// Compiles a step of `net`.
    pub fn new(
        gpu: &Gpu,
        net: &TrainableNet,
        images: &DeviceImages,
        settings: &SupervisedSettings,
    ) -> Result<Self> {
        let SupervisedSettings { batch: n, micro_batch, .. } = *settings;
        // Smaller parts would not help if memory runs out, because training keeps the values of all
        // parts.
        let together = Together { images: micro_batch, copies: None };
        let cut = Cut::that_fits(gpu, n, 1, &[(&net.graph, 1)], together);
        Self::build(gpu, net, images, &cut, settings)
    }

    fn build(
        gpu: &Gpu,
        net: &TrainableNet,
        images: &DeviceImages,
        cut: &Cut,
        settings: &SupervisedSettings,
    ) -> Result<Self> {
        let n: u32 = cut.parts.iter().sum();
        let mut tape = Tape::new();
        let batch = images.batch(&mut tape, &cut.parts)?;
        let head = LossHead::new(&mut tape, 1, Loss::Labels);
        let schedule = tape.kept("schedule", 16);
        let gradients = tape.import("gradients", &net.gradients);
        let parameters = tape.import("parameters", &net.parameters);
        let velocity = tape.import("velocity", &net.first);
        let mut compiler = net.compiler(gpu, &mut tape)?;
        let outputs = compiler.forward_parts(&mut tape, &batch.images())?;
        let mut dlogits = Vec::new();
        for (y, labels) in outputs.iter().zip(batch.labels()) {
            tape.mark("the losses");
            dlogits.push(head.append(&mut tape, *y, labels)?);
        }
        compiler.backward_parts(&mut tape, &dlogits, Some(gradients), false)?;
        tape.mark("the update");
        let plan = optimiser::sgd::plan(net.offsets.len, settings.momentum, settings.weight_decay)?;
        tape.push(plan, &[schedule, gradients, parameters, velocity])?;
        let program = Program::build(gpu, &tape)?;
        let loss_scale = loss_scale(net.dtype(), 1.0 / f64::from(n));
        program.write(gpu, head.weights, 0, &[loss_scale / n as f32]);
        Ok(Self {
            program,
            batch,
            schedule,
            head,
            dropout: net.dropout_seed(),
            seed: settings.seed,
            seen: 0,
            cut: cut.clone(),
            loss_scale,
        })
    }
}

impl TrainingStep for Supervised {
    fn run_by(
        &mut self,
        gpu: &Gpu,
        images: &DeviceImages,
        (picks, pixels): (&[Pick], &[u8]),
        (step, lr): (u64, f64),
        run: RunEntries<'_>,
    ) -> Result<()> {
        self.batch.choose(gpu, &self.program, images, picks, pixels)?;
        self.dropout.set(gpu, self.seed, step);
        self.program.write(gpu, self.schedule, 0, &[lr as f32, 1.0, 1.0, 1.0 / self.loss_scale]);
        self.seen += picks.len() as u64;
        run(&self.program, self.program.entries())
    }

    fn losses(&mut self, gpu: &Gpu) -> Result<Losses> {
        let sums: Vec<f32> = self.program.read(gpu, self.head.totals)?;
        self.program.write(gpu, self.head.totals, 0, &[0u32; 2]);
        let images = std::mem::take(&mut self.seen).max(1) as f64;
        Ok(Losses { clean: (f64::from(sums[0]) / images) as f32, perturbed: None })
    }

    fn flip_rate(&self, _gpu: &Gpu) -> Result<Option<f64>> {
        Ok(None)
    }

    fn program(&self) -> &Program {
        &self.program
    }

    fn cut(&self) -> &Cut {
        &self.cut
    }

    fn loss_scale(&self) -> f32 {
        self.loss_scale
    }
}
