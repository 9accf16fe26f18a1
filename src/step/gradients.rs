//! One EOPM step (expectation over perturbed models) up to the gradients.
//!
//! `L = CE(M0(F(x))) + (lambda / P) sum_i CE(Mp_i(F(x)))`, `F(x) = clamp(x + G(x), -1, 1)`: the
//! generator runs forward once and backward once; the clean network and all perturbed ones run as
//! copies of one network, and their gradients of F(x) are summed (arXiv 2306.16869, section 3). Where
//! there are no labels, the distance from the clean network's answers to x takes the place of cross-entropy: with its
//! logits t, a copy's logits z and a temperature T, `T^2 KL(softmax(t / T) || softmax(z / T))` (arXiv 1503.02531).

use super::{
    RunEntries,
    group::{Group, Port},
    loss_head::{LossHead, loss_scale},
    remote::{Incoming, Outgoing, RemoteGroups, Terms},
    target::Target,
};
use crate::{
    error::{Error, Result},
    fault::{Faults, Flips},
    gpu::Buffer,
    kernels::elementwise,
    nn::{Convolution, Cut, FrozenNet, Injector, NodeValue, TrainableNet},
    run::{BufferId, Gpu, Program, StepTime, Tape},
};
use std::time::Instant;

/// An EOPM step on a tape, forward and backward. If the copies come in groups, the tape has four
/// sections: the generator forward; the addition of a group's gradient to the sum; the base network, which
/// runs once per group, before its addition; the generator backward. The last section is still open, for the
/// update. The addition stands before the base network, so that what the base reads outlives both.
#[derive(Clone, Debug)]
pub struct EopmTape {
    /// The gradient of every generator parameter, flat.
    pub gradients: BufferId,
    head: LossHead,
    cut: Cut,
    /// Number of all copies, the clean one among them.
    copies: u32,
    /// The convolutions of all networks.
    convolutions: Vec<Convolution>,
    /// What goes into a group of copies and comes out of it, for each part.
    ports: Vec<Port>,
}

impl EopmTape {
    /// Appends a step to a tape that makes the `images` and their `target` in the parts of `cut`:
    /// `generator` in front of `base`, which has as many copies as one group. There are `copies` in
    /// all; the first is clean.
    #[expect(clippy::too_many_arguments, reason = "a step has that many parts; all differ in type")]
    pub fn append(
        gpu: &Gpu,
        tape: &mut Tape,
        generator: &TrainableNet,
        base: &FrozenNet,
        images: &[NodeValue],
        target: Target<'_>,
        cut: &Cut,
        copies: u32,
    ) -> Result<Self> {
        let n: u32 = cut.parts.iter().sum();
        let together = base.copies();
        let head = LossHead::new(tape, together, target.loss);
        let gradients = tape.import("gradients", &generator.gradients);
        let grouped = cut.groups > 1;

        let mut convolutions = Vec::new();
        let wanted = target.append(gpu, tape, base, images, &mut convolutions)?;
        let mut fuse = generator.compiler(gpu, tape)?;
        let g = fuse.forward_parts(tape, images)?;
        let mut fused = Vec::new();
        tape.mark("F(x) = clamp(x + G(x))");
        for (x, g) in images.iter().zip(&g) {
            let id = tape.transient("fused images", x.shape.bytes());
            tape.push(elementwise::fuse_clamp::plan(x.shape)?, &[x.id, g.id, id])?;
            fused.push(NodeValue { id, ..*x });
        }
        // Sums of the gradients of all groups so far, and the gradients of one group.
        let (mut sums, mut of_group) = (Vec::new(), Vec::new());
        if grouped {
            for x in images {
                let sum = tape.transient("gradient of the fused images", x.shape.bytes());
                tape.clear(sum);
                sums.push(sum);
                of_group.push(tape.kept("gradient of a group", x.shape.bytes()));
            }
            tape.section();
            for ((x, &sum), &d) in images.iter().zip(&sums).zip(&of_group) {
                let next = tape.transient("sum over groups", x.shape.bytes());
                tape.push(elementwise::add::plan(x.shape)?, &[sum, d, next])?;
                tape.copy(next, sum, 0, x.shape.bytes())?;
            }
            tape.section();
        }
        let mut group = Group { gpu, base, head, convolutions: &mut convolutions, images: 0 };
        let (mut dfused, mut ports) = (Vec::new(), Vec::new());
        for (i, (&x, wanted)) in fused.iter().zip(wanted).enumerate() {
            let Some(mut d) = group.append(tape, x, wanted)? else { continue };
            if let (Some(&own), Some(&sum)) = (of_group.get(i), sums.get(i)) {
                tape.copy(d, own, 0, x.shape.bytes())?;
                ports.push(Port::new(tape, x, wanted, own));
                d = sum;
            }
            dfused.push(d);
        }
        if grouped {
            tape.section();
        }
        let mut dg = Vec::new();
        tape.mark("the gradient of G(x)");
        for ((x, g), d) in images.iter().zip(&g).zip(dfused) {
            let id = tape.transient("gradient of G", x.shape.bytes());
            tape.push(elementwise::fuse_clamp::plan_grad(x.shape)?, &[d, x.id, g.id, id])?;
            dg.push(id);
        }
        debug_assert_eq!(cut.parts.len(), dg.len(), "a batch of {n}");
        fuse.backward_parts(tape, &dg, Some(gradients), false)?;
        convolutions.extend_from_slice(fuse.convolutions());
        Ok(Self { gradients, head, cut: cut.clone(), copies, convolutions, ports })
    }
}

/// Sections of a tape whose copies come in groups.
const ADDITION: usize = 1;
const BASE: usize = 2;
const BACKWARD: usize = 3;

/// A step that can run: its program, and the programs that draw faults.
#[derive(Debug)]
pub struct EopmStep {
    program: Program,
    tape: EopmTape,
    /// For the group with the clean copy, and for all other groups.
    injectors: [Injector; 2],
    /// u32 `[groups, copies of a group, 2]`: bits of the f32 sum of losses, and hits. Both accumulate
    /// from run to run.
    totals: Buffer,
    /// Factor of each copy's gradient, times the loss scale.
    factors: Vec<f32>,
    /// Loss scale: a power of two by which the loss is multiplied before the backward pass.
    loss_scale: f32,
}

impl EopmStep {
    /// Compiles a tape into a step whose loss weighs the perturbed copies with `lambda`.
    pub fn new(
        gpu: &Gpu,
        tape: &Tape,
        step: EopmTape,
        base: &FrozenNet,
        faults: &Faults,
        lambda: f64,
    ) -> Result<Self> {
        let n = step.cut.parts.iter().sum();
        let slots = step.cut.groups * base.copies();
        let mut factors = loss_weights(n, step.copies - 1, lambda);
        // Copies that only fill up the last group have weight 0.
        factors.resize(slots as usize, 0.0);
        // The bound of the gradient of a logit, as a multiple of its image's weight in the loss.
        let steepness = step.head.loss.temperature().unwrap_or(1.0);
        let largest = steepness * factors.iter().fold(0.0f32, |most, &f| most.max(f));
        let loss_scale = loss_scale(base.dtype(), largest.into());
        factors.iter_mut().for_each(|factor| *factor *= loss_scale);
        Ok(Self {
            program: Program::build(gpu, tape)?,
            injectors: [base.injector(gpu, 1, Some(faults))?, base.injector(gpu, 0, Some(faults))?],
            totals: Buffer::new(gpu, "loss totals", u64::from(slots) * 8)?,
            factors,
            loss_scale,
            tape: step,
        })
    }

    /// Sets the loss scale, a power of two, instead of the usual one.
    #[must_use]
    pub fn with_loss_scale(mut self, scale: f32) -> Self {
        let by = scale / self.loss_scale;
        self.factors.iter_mut().for_each(|factor| *factor *= by);
        self.loss_scale = scale;
        self
    }

    /// The factor by which the gradients are too large: 1 in f32; in f16 it keeps small gradients
    /// representable.
    pub fn loss_scale(&self) -> f32 {
        self.loss_scale
    }

    /// Runs the step with the maps of `seeds`, one per perturbed copy, without waiting for it. Without
    /// seeds the maps of the last run stay, which requires that all copies run together.
    pub fn run(&self, gpu: &Gpu, seeds: Option<&[u64]>) -> Result<()> {
        self.run_by(gpu, seeds, &mut |program, entries| program.run_range(gpu, entries))
    }

    /// Like [`Self::run`], but calls `run` for the entries of the tape: for all of them, in order, in
    /// one or several calls.
    pub fn run_by(&self, gpu: &Gpu, seeds: Option<&[u64]>, run: RunEntries<'_>) -> Result<()> {
        self.run_with(gpu, seeds, run, None).map(drop)
    }

    /// Like [`Self::run_by`], where the last groups may be computed elsewhere. Whoever computes a group, the gradients
    /// are added in the order of groups, so that the result has the same bits. Returns what [`Self::flips`] would if
    /// the copies that it tells of were elsewhere.
    ///
    /// # Errors
    /// Those of the device, and of `remote`: then nothing but the running statistics of the generator has changed.
    pub fn run_with(
        &self,
        gpu: &Gpu,
        seeds: Option<&[u64]>,
        run: RunEntries<'_>,
        mut remote: Option<&mut dyn RemoteGroups>,
    ) -> Result<Option<Vec<Vec<Flips>>>> {
        let cut = &self.tape.cut;
        if seeds.is_some_and(|seeds| seeds.len() + 1 != self.tape.copies as usize)
            || seeds.is_none() && cut.groups > 1
        {
            return Err(Error::Shape(format!("seeds for {} copies", self.tape.copies)));
        }
        let together = cut.copies as usize;
        let slots: Vec<u64> = seeds.map_or_else(Vec::new, |seeds| {
            let mut slots = vec![0];
            slots.extend(seeds);
            slots.resize(self.factors.len(), *seeds.last().unwrap_or(&0));
            slots
        });
        if cut.groups == 1 {
            if seeds.is_some() {
                self.injectors[0].run(gpu, &slots)?;
            }
            self.program.write(gpu, self.tape.head.weights, 0, &self.factors);
            return run(&self.program, self.program.entries()).map(|()| None);
        }
        run(&self.program, self.program.section(0)?)?;
        let groups = cut.groups as usize;
        let here = match &mut remote {
            Some(remote) => remote.begin(&self.outgoing(gpu, slots.clone())?)?.min(groups),
            None => groups,
        };
        let (began, mut flips) = (Instant::now(), None);
        for (group, seeds) in slots.chunks(together).enumerate().take(here) {
            remote.as_ref().map_or(Ok(()), |remote| remote.goes_on())?;
            self.group(gpu, group, seeds, &mut *run)?;
            run(&self.program, self.program.section(ADDITION)?)?;
        }
        if let Some(remote) = remote {
            gpu.wait("compute groups of copies")?;
            remote.took(here, began.elapsed());
            for group in here..groups {
                let incoming = remote.receive(group)?;
                self.take(gpu, group, &incoming)?;
                flips = (together == 1).then_some(incoming.flips);
                run(&self.program, self.program.section(ADDITION)?)?;
            }
        }
        run(&self.program, self.program.section(BACKWARD)?).map(|()| flips)
    }

    /// Runs the copies of one group.
    fn group(&self, gpu: &Gpu, group: usize, seeds: &[u64], run: RunEntries<'_>) -> Result<()> {
        let together = self.tape.cut.copies as usize;
        self.injectors[usize::from(group > 0)].run(gpu, seeds)?;
        let factors = &self.factors[group * together..][..together];
        self.program.write(gpu, self.tape.head.weights, 0, factors);
        let (at, bytes) = (group as u64 * together as u64 * 8, together as u64 * 8);
        let Some(totals) = self.program.buffer(self.tape.head.totals) else { return Ok(()) };
        Program::copy(gpu, (&self.totals, at), (totals, 0), bytes);
        run(&self.program, self.program.section(BASE)?)?;
        Program::copy(gpu, (totals, 0), (&self.totals, at), bytes);
        Ok(())
    }

    /// What those need who compute groups of this step elsewhere. Waits for the device.
    fn outgoing(&self, gpu: &Gpu, seeds: Vec<u64>) -> Result<Outgoing> {
        let ports = &self.tape.ports;
        // Only after the wait is the time that of copying.
        gpu.wait("run a generator")?;
        let _span = gpu.span("read images");
        let fused = ports.iter().map(|port| port.read_fused(gpu, &self.program));
        let wanted = ports.iter().map(|port| port.read_wanted(gpu, &self.program));
        Ok(Outgoing {
            fused: fused.collect::<Result<Vec<_>>>()?.concat(),
            wanted: wanted.collect::<Result<Vec<_>>>()?.concat(),
            seeds,
            totals: self.totals.read(gpu)?,
        })
    }

    /// Takes the results of a group that was computed elsewhere.
    fn take(&self, gpu: &Gpu, group: usize, incoming: &Incoming) -> Result<()> {
        let _span = gpu.span("write a gradient");
        let mut rest = &incoming.gradient[..];
        for port in &self.tape.ports {
            rest = port.write_gradient(gpu, &self.program, rest)?;
        }
        let at = group * self.tape.cut.copies as usize * 8;
        self.totals.write(gpu, at as u64, &incoming.totals);
        Ok(())
    }

    /// What every step has in common for those who compute groups of it elsewhere.
    pub fn terms(&self) -> Terms {
        Terms {
            cut: self.tape.cut.clone(),
            factors: self.factors.clone(),
            loss: self.tape.head.loss,
            wanted: self.tape.ports.iter().map(|port| port.wanted_bytes).collect(),
        }
    }

    /// Times of all dispatches of a step, each run alone, with the maps of the last run: first those
    /// that draw faults, then those of the tape. A dispatch that runs once per group is listed once per
    /// group.
    pub fn profile(&self, gpu: &Gpu) -> Result<Vec<StepTime>> {
        let groups = self.tape.cut.groups;
        let mut times = self.injectors[0].profile(gpu)?;
        if groups == 1 {
            // What no map changes is not computed again in later steps.
            times.retain(|time| time.section > 0);
        } else {
            let others = self.injectors[1].profile(gpu)?;
            times.extend((1..groups).flat_map(|_| others.iter().cloned()));
        }
        for time in self.program.profile(gpu)? {
            let repeated = groups > 1 && matches!(time.section, ADDITION | BASE);
            let runs = if repeated { groups } else { 1 };
            times.extend((0..runs).map(|_| time.clone()));
        }
        Ok(times)
    }

    /// Sum of the losses of each copy since the sums were last cleared. Waits for the device.
    pub fn losses(&self, gpu: &Gpu) -> Result<Vec<f64>> {
        let words: Vec<f32> = self.totals_buffer().read(gpu)?;
        let sums = words.chunks(2).map(|copy| f64::from(copy[0]));
        Ok(sums.take(self.tape.copies as usize).collect())
    }

    /// Sets the sums of the losses to 0.
    pub fn clear_losses(&self, gpu: &Gpu) {
        self.totals_buffer().write(gpu, 0, &vec![0u32; 2 * self.factors.len()]);
    }

    fn totals_buffer(&self) -> &Buffer {
        let own = self.program.buffer(self.tape.head.totals).filter(|_| self.tape.cut.groups == 1);
        own.unwrap_or(&self.totals)
    }

    /// Bits that the maps of the last run flipped, per layer, in the perturbed copies of the first
    /// group (of the last group if the clean copy is alone in the first). Waits for the device.
    pub fn flips(&self, gpu: &Gpu) -> Result<Vec<Vec<Flips>>> {
        if self.tape.cut.copies == 1 {
            return self.injectors[1].flips(gpu);
        }
        Ok(self.injectors[0].flips(gpu)?.split_off(1))
    }

    /// The program, for its buffers and for profiles.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The convolutions of the tape.
    pub fn convolutions(&self) -> &[Convolution] {
        &self.tape.convolutions
    }

    /// How the step is cut.
    pub fn cut(&self) -> &Cut {
        &self.tape.cut
    }
}

/// Weights of the copies' losses for batches of `n`: mean loss of the clean copy, plus `lambda` times
/// the mean loss of the `perturbed` copies.
fn loss_weights(n: u32, perturbed: u32, lambda: f64) -> Vec<f32> {
    let mut factors = vec![(lambda / f64::from(perturbed * n)) as f32; perturbed as usize + 1];
    factors[0] = 1.0 / n as f32;
    factors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_a_mean_and_lambda_means() {
        assert_eq!(loss_weights(4, 2, 5.0), [0.25, 0.625, 0.625]);
    }
}
