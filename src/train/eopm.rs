//! One EOPM step (expectation over perturbed models) as one program.
//!
//! `L = CE(M0(F(x))) + (lambda / P) sum_i CE(Mp_i(F(x)))`, `F(x) = clamp(x + G(x), -1, 1)`: the
//! generator runs forward once and backward once; the clean network and all perturbed ones run as
//! copies of one network, and their gradients of F(x) are summed (arXiv 2306.16869, section 3).

use crate::{
    error::Result,
    fault::{Faults, Maps},
    gpu::{BufferId, Gpu, Program, Tape},
    nn::{Batch, DeviceImages, FrozenNet, Injector, Mode, Pick, TrainableNet},
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
        let (copies, perturbed) = (base.copies(), base.copies() - 1);
        let mut tape = Tape::new();
        let batch = images.batch(&mut tape, n)?;
        let weights = tape.kept("loss weights", u64::from(copies) * 4);
        let schedule = tape.kept("schedule", 16);
        let totals = tape.kept("loss totals", u64::from(copies) * 8);
        let gradients = tape.import("gradients", &generator.gradients);
        let parameters = tape.import("parameters", &generator.parameters);
        let first = tape.import("mean of gradients", &generator.first);
        let second = tape.import("mean of squared gradients", &generator.second);

        let x = batch.images;
        let mut fuse = generator.compiler(gpu, &mut tape)?;
        let g = fuse.forward(&mut tape, x)?;
        let fused = tape.transient("fused images", x.shape.bytes());
        tape.push(ops::fuse_clamp::plan(x.shape)?, &[x.id, g.id, fused])?;

        let mut frozen = base.compiler(gpu, &mut tape, Mode::Frozen);
        let y = frozen.forward(&mut tape, crate::nn::Value { id: fused, ..x })?;
        let plan = ops::softmax_cross_entropy::plan(copies, n, y.shape.c)?;
        let dlogits = tape.transient("gradient of the logits", plan.bytes[3]);
        let row_loss = tape.transient("losses", plan.bytes[4]);
        let correct = tape.transient("hits", plan.bytes[5]);
        tape.push(plan, &[y.id, batch.labels, weights, dlogits, row_loss, correct])?;
        tape.push(ops::loss_totals::plan(copies, n)?, &[row_loss, correct, totals])?;

        if let Some(dfused) = frozen.backward(&mut tape, dlogits, None, true)? {
            let dg = tape.transient("gradient of G", x.shape.bytes());
            tape.push(ops::fuse_clamp_grad::plan(x.shape)?, &[dfused, x.id, g.id, dg])?;
            fuse.backward(&mut tape, dg, Some(gradients), false)?;
        }
        let plan = ops::adam::plan(generator.offsets.len, BETAS[0], BETAS[1], EPS)?;
        tape.push(plan, &[schedule, gradients, parameters, first, second])?;

        let program = Program::build(gpu, &tape)?;
        let mut factors = vec![(lambda / f64::from(perturbed * n)) as f32; copies as usize];
        factors[0] = 1.0 / n as f32;
        program.write(gpu, weights, 0, &factors);
        let injector = base.injector(gpu, 1, Some(faults))?;
        let (injected, seen) = (false, 0);
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
