//! One EOPM step with its update as one program: a batch made on the GPU, the tape of
//! [`EopmTape`], Adam.

use super::{
    Losses, RunEntries, TrainingStep,
    gradients::{EopmStep, EopmTape},
    loss_head::Loss,
    remote::{RemoteGroups, Terms},
    target::Target,
};
use crate::{
    error::Result,
    fault::{Faults, Flips, Maps},
    files::Weights,
    kernels::optimiser,
    nn::{
        Batch, Convolution, Cut, DeviceImages, FrozenNet, Graph, Pick, Together, TrainableNet, fit,
    },
    run::{BufferId, Gpu, Program, StepTime, Tape},
};

/// Adam's coefficients in the reference code.
const BETAS: [f64; 2] = [0.5, 0.999];
/// Adam's epsilon.
const EPS: f64 = 1e-8;

/// The programs of a step, and what they need between steps.
#[derive(Debug)]
pub struct Eopm {
    step: EopmStep,
    batch: Batch,
    schedule: BufferId,
    maps: Maps,
    perturbed: u32,
    /// Bits of a perturbed copy's stored weights.
    stored_bits: u64,
    injected: bool,
    /// Bits that the maps of the last step flipped, if another program drew those that are reported.
    flips_elsewhere: Option<Vec<Vec<Flips>>>,
    seen: u64,
}

/// Settings of a step.
#[derive(Clone, Copy, Debug)]
pub struct EopmSettings<'a> {
    /// The base network and its weights.
    pub base: (&'a Graph, &'a Weights),
    /// Bits per stored weight of the base network.
    pub precision: u32,
    /// Number of perturbed copies.
    pub perturbed: u32,
    /// Faults of the perturbed copies.
    pub faults: &'a Faults,
    /// Where the fault maps of the perturbed copies come from.
    pub maps: Maps,
    /// Weight of the perturbed copies' mean loss.
    pub lambda: f64,
    /// What the copies are trained to answer.
    pub loss: Loss,
    /// Images of a batch.
    pub batch: u32,
    /// Most images of a part of the batch; by default as many as fit.
    pub micro_batch: Option<u32>,
    /// Most copies, the clean one counted, of a group; by default as many as fit.
    pub group: Option<u32>,
}

impl EopmSettings<'_> {
    /// What runs together, at most.
    pub(crate) fn together(&self) -> Together {
        Together { images: self.micro_batch, copies: self.group }
    }
}

/// A step on a tape, and what the host writes for it.
struct Parts {
    batch: Batch,
    schedule: BufferId,
    eopm: EopmTape,
}

impl Eopm {
    /// Compiles a step of `generator` in front of copies of a base network, cut so that it fits the
    /// adapter.
    pub fn new(
        gpu: &Gpu,
        generator: &TrainableNet,
        images: &DeviceImages,
        settings: &EopmSettings<'_>,
    ) -> Result<Self> {
        let EopmSettings { base, perturbed, faults, maps, lambda, .. } = *settings;
        let nets = [(&generator.graph, 1), (base.0, 1 + perturbed)];
        fit(gpu, settings.batch, 1 + perturbed, &nets, settings.together(), |cut| {
            let (tape, frozen, step) = Self::tape(gpu, generator, images, settings, cut)?;
            let Parts { batch, schedule, eopm } = step;
            let step = EopmStep::new(gpu, &tape, eopm, &frozen, faults, lambda)?;
            let stored_bits = base.0.stored_bits(base.1, settings.precision).iter().sum();
            let (injected, seen, flips_elsewhere) = (false, 0, None);
            Ok(Self {
                step,
                batch,
                schedule,
                maps,
                perturbed,
                stored_bits,
                injected,
                flips_elsewhere,
                seen,
            })
        })
    }

    /// The tape of a step, for inspection only.
    pub(crate) fn planned(
        gpu: &Gpu,
        generator: &TrainableNet,
        images: &DeviceImages,
        settings: &EopmSettings<'_>,
        cut: &Cut,
    ) -> Result<Tape> {
        Ok(Self::tape(gpu, generator, images, settings, cut)?.0)
    }

    /// The tape of a step that is cut as `cut` says.
    fn tape(
        gpu: &Gpu,
        generator: &TrainableNet,
        images: &DeviceImages,
        settings: &EopmSettings<'_>,
        cut: &Cut,
    ) -> Result<(Tape, FrozenNet, Parts)> {
        let EopmSettings { base, precision, perturbed, loss, .. } = *settings;
        // The base network computes in the same precision as the generator.
        let frozen = FrozenNet::new(gpu, base.0, base.1, precision, cut.copies)?
            .with_dtype(generator.dtype());
        let mut tape = Tape::new();
        tape.mark("the images");
        let batch = images.batch(&mut tape, &cut.parts)?;
        let (x, labels) = (batch.images(), batch.labels());
        let copies = 1 + perturbed;
        let target = Target { loss, labels: &labels, clean: (base.1, precision) };
        let eopm = EopmTape::append(gpu, &mut tape, generator, &frozen, &x, target, cut, copies)?;
        tape.mark("the update");
        let schedule = tape.kept("schedule", 16);
        let parameters = tape.import("parameters", &generator.parameters);
        let first = tape.import("mean of gradients", &generator.first);
        let second = tape.import("mean of squared gradients", &generator.second);
        let plan = optimiser::adam::plan(generator.offsets.len, BETAS[0], BETAS[1], EPS)?;
        tape.push(plan, &[schedule, eopm.gradients, parameters, first, second])?;
        Ok((tape, frozen, Parts { batch, schedule, eopm }))
    }

    /// Times of all dispatches of a step, each run alone ([`EopmStep::profile`]).
    pub fn profile(&self, gpu: &Gpu) -> Result<Vec<StepTime>> {
        self.step.profile(gpu)
    }

    /// What every step has in common for those who compute groups of it elsewhere.
    pub fn terms(&self) -> Terms {
        self.step.terms()
    }

    /// Like [`TrainingStep::run_by`], where the last groups of copies may be computed elsewhere.
    ///
    /// # Errors
    /// Those of the device, and of `remote`: then nothing but the running statistics of the generator has changed.
    pub fn run_with(
        &mut self,
        gpu: &Gpu,
        images: &DeviceImages,
        (picks, pixels): (&[Pick], &[u8]),
        (step, lr): (u64, f64),
        run: RunEntries<'_>,
        remote: Option<&mut dyn RemoteGroups>,
    ) -> Result<()> {
        let program = self.step.program();
        self.batch.choose(gpu, program, images, picks, pixels)?;
        let unscale = 1.0 / f64::from(self.step.loss_scale());
        let schedule = optimiser::adam::schedule(lr, BETAS[0], BETAS[1], step + 1, unscale);
        program.write(gpu, self.schedule, 0, &schedule);
        self.seen += picks.len() as u64;
        // A chip's map does not change: it is drawn once if all copies stay on the device.
        let stays = matches!(self.maps, Maps::Chip(_)) && self.step.cut().groups == 1;
        let seeds: Vec<u64> = (1..=self.perturbed).map(|i| self.maps.seed(step, i)).collect();
        let seeds = Some(&seeds[..]).filter(|_| !(self.injected && stays));
        self.flips_elsewhere = self.step.run_with(gpu, seeds, run, remote)?;
        self.injected = true;
        Ok(())
    }

    /// The convolutions of the step's tape.
    pub fn convolutions(&self) -> &[Convolution] {
        self.step.convolutions()
    }
}

impl TrainingStep for Eopm {
    fn run_by(
        &mut self,
        gpu: &Gpu,
        images: &DeviceImages,
        batch: (&[Pick], &[u8]),
        at: (u64, f64),
        run: RunEntries<'_>,
    ) -> Result<()> {
        self.run_with(gpu, images, batch, at, run, None)
    }

    fn losses(&mut self, gpu: &Gpu) -> Result<Losses> {
        let sums = self.step.losses(gpu)?;
        self.step.clear_losses(gpu);
        let images = std::mem::take(&mut self.seen).max(1) as f64;
        let copies = self.perturbed as usize;
        let perturbed: f64 = sums[1..=copies].iter().sum();
        Ok(Losses {
            clean: (sums[0] / images) as f32,
            perturbed: Some((perturbed / images / copies as f64) as f32),
        })
    }

    fn flip_rate(&self, gpu: &Gpu) -> Result<Option<f64>> {
        let flips = match &self.flips_elsewhere {
            Some(flips) => flips.clone(),
            None => self.step.flips(gpu)?,
        };
        let flipped: u64 = flips.iter().flatten().map(|f| f.total).sum();
        Ok(Some(flipped as f64 / (self.stored_bits * flips.len() as u64).max(1) as f64))
    }

    fn program(&self) -> &Program {
        self.step.program()
    }

    fn cut(&self) -> &Cut {
        self.step.cut()
    }

    fn loss_scale(&self) -> f32 {
        self.step.loss_scale()
    }
}
