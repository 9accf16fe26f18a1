//! One EOPM step with its update as one program: a batch made on the GPU, the tape of
//! [`eopm_tape`], Adam.

use crate::{
    error::Result,
    fault::{Faults, Maps},
    forward::{eopm_tape, loss_weights},
    gpu::{BufferId, Gpu, Program, Tape},
    nn::{Batch, DeviceImages, FrozenNet, Injector, Pick, TrainableNet},
    ops,
};

/// Adam's coefficients in the reference code.
const BETAS: [f64; 2] = [0.5, 0.999];
/// Adam's epsilon.
const EPS: f64 = 1e-8;

/// The programs of a step.
#[derive(Debug)]
pub struct Eopm {
    program: Program,
    injector: Injector,
    batch: Batch,
    schedule: BufferId,
    totals: BufferId,
    maps: Maps,
    perturbed: u32,
    injected: bool,
    seen: u64,
}

/// Mean losses since they were last asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    /// Of the clean network.
    pub clean: f32,
    /// Of the perturbed networks.
    pub perturbed: f32,
}

impl Eopm {
    /// Compiles a step of `generator` in front of `base`, whose first copy stays clean and whose
    /// others get the faults of `maps`, on batches of `n`.
    ///
    /// # Errors
    /// Shapes do not fit, or no memory is left.
    #[expect(clippy::too_many_arguments, reason = "a step has that many parts; all differ in type")]
    pub fn new(
        gpu: &Gpu,
        generator: &TrainableNet,
        base: &FrozenNet,
        images: &DeviceImages,
        n: u32,
        faults: Faults,
        maps: Maps,
        lambda: f64,
    ) -> Result<Self> {
        let perturbed = base.copies() - 1;
        let mut tape = Tape::new();
        let batch = images.batch(&mut tape, n)?;
        let step = eopm_tape(gpu, &mut tape, generator, base, batch.images, batch.labels)?;
        let schedule = tape.kept("schedule", 16);
        let parameters = tape.import("parameters", &generator.parameters);
        let first = tape.import("mean of gradients", &generator.first);
        let second = tape.import("mean of squared gradients", &generator.second);
        let plan = ops::adam::plan(generator.offsets.len, BETAS[0], BETAS[1], EPS)?;
        tape.push(plan, &[schedule, step.gradients, parameters, first, second])?;

        let program = Program::build(gpu, &tape)?;
        program.write(gpu, step.weights, 0, &loss_weights(n, perturbed, lambda));
        let injector = base.injector(gpu, 1, Some(faults))?;
        let (injected, seen) = (false, 0);
        let totals = step.totals;
        Ok(Self { program, injector, batch, schedule, totals, maps, perturbed, injected, seen })
    }

    /// Runs step `step` (counted from 0) on the chosen images, without waiting for it.
    ///
    /// # Errors
    /// The device failed.
    pub fn step(
        &mut self,
        gpu: &Gpu,
        images: &DeviceImages,
        picks: &[Pick],
        step: u64,
        lr: f64,
    ) -> Result<()> {
        // A chip's map does not change: once is enough.
        if !self.injected || matches!(self.maps, Maps::Fresh { .. }) {
            let seeds: Vec<u64> = (0..=self.perturbed).map(|i| self.maps.seed(step, i)).collect();
            self.injector.run(gpu, &seeds)?;
            self.injected = true;
        }
        self.batch.choose(gpu, &self.program, images, picks);
        let schedule = ops::adam::schedule(lr, BETAS[0], BETAS[1], step + 1, 1.0);
        self.program.write(gpu, self.schedule, 0, &schedule);
        self.seen += picks.len() as u64;
        self.program.run(gpu)
    }

    /// Mean losses since the last call. Waits for the device.
    ///
    /// # Errors
    /// The device failed.
    pub fn losses(&mut self, gpu: &Gpu) -> Result<Losses> {
        let words: Vec<u32> = self.program.read(gpu, self.totals)?;
        self.program.write(gpu, self.totals, 0, &vec![0u32; 2 * (self.perturbed as usize + 1)]);
        let images = std::mem::take(&mut self.seen).max(1) as f64;
        let sums: Vec<f64> = words.chunks(2).map(|w| f64::from(f32::from_bits(w[0]))).collect();
        let copies = self.perturbed as usize;
        let perturbed: f64 = sums[1..=copies].iter().sum();
        Ok(Losses {
            clean: (sums[0] / images) as f32,
            perturbed: (perturbed / images / copies as f64) as f32,
        })
    }

    /// Bits that the last step's maps flipped, as a share of all stored bits of the perturbed copies.
    /// Waits for the device.
    ///
    /// # Errors
    /// The device failed.
    pub fn flip_rate(&self, gpu: &Gpu, stored_bits: u64) -> Result<f64> {
        let flips = self.injector.flips(gpu)?;
        let flipped: u64 = flips.iter().flatten().map(|f| f.total).sum();
        Ok(flipped as f64 / (stored_bits * u64::from(self.perturbed)) as f64)
    }

    /// The compiled program, for profiles.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }
}
