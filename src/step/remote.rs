//! Groups of copies of an EOPM step that are computed elsewhere: what goes out, what comes back, and the program that
//! computes one.

use super::{
    group::{Group, Port},
    loss_head::{Loss, LossHead},
};
use crate::{
    error::{Error, Result},
    fault::{Faults, Flips},
    files::Weights,
    kernels::plan::Dtype,
    nn::{Cut, FrozenNet, Graph, Injector, NodeValue},
    run::{Gpu, Program, Tape},
    shape::Nhwc,
};
use std::time::Duration;

/// Whoever computes groups of a step elsewhere. Groups are counted from 0; the first ones stay here.
pub trait RemoteGroups {
    /// Sends a step out. Returns how many groups stay here.
    fn begin(&mut self, step: &Outgoing) -> Result<usize>;

    /// Whether the step can be finished: asked between the groups that stay here, since a step may take long and the
    /// time that is left to the job may be short.
    fn goes_on(&self) -> Result<()>;

    /// Is told how long the groups took that stayed here.
    fn took(&mut self, groups: usize, time: Duration);

    /// Waits for the results of a group that was sent out.
    fn receive(&mut self, group: usize) -> Result<Incoming>;
}

/// What all steps of a run have in common, for whoever computes groups.
#[derive(Clone, Debug)]
pub struct Terms {
    /// How steps are cut.
    pub cut: Cut,
    /// Factor of the gradient of each copy of each group, times the loss scale.
    pub factors: Vec<f32>,
    /// What the copies are trained to answer.
    pub loss: Loss,
    /// Bytes of the labels or answers of each part.
    pub wanted: Vec<u64>,
}

/// What goes out for a step.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The fused images of all parts, `[n, H, W, C]`.
    pub fused: Vec<f32>,
    /// Labels (u32 `[n]`) or answers (f32, padded as on the device) of all parts.
    pub wanted: Vec<u8>,
    /// Seeds of the maps of each copy of each group; those of clean copies mean nothing.
    pub seeds: Vec<u64>,
    /// u32 `[groups, copies of a group, 2]`: sums of losses and hits so far, to which a group adds.
    pub totals: Vec<u32>,
}

/// What comes back from a group.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    /// The gradient with respect to the fused images of all parts, `[n, H, W, C]`, summed over the group's copies.
    pub gradient: Vec<f32>,
    /// u32 `[copies of the group, 2]`: the sums of [`Outgoing::totals`], with those of this step.
    pub totals: Vec<u32>,
    /// Bits that the maps flipped, per perturbed copy and layer.
    pub flips: Vec<Vec<Flips>>,
}

/// The base network of a run, ready to compute groups of its steps.
#[derive(Debug)]
pub struct GroupProgram {
    program: Program,
    ports: Vec<Port>,
    head: LossHead,
    terms: Terms,
    /// For the group with the clean copy, and for all other groups.
    injectors: [Injector; 2],
}

impl GroupProgram {
    /// Compiles groups of a base network, quantised to `bits`, for steps on these terms.
    ///
    /// # Errors
    /// The terms are of another network; no memory is left.
    pub fn new(
        gpu: &Gpu,
        (graph, weights): (&Graph, &Weights),
        (bits, dtype): (u32, Dtype),
        faults: &Faults,
        terms: Terms,
    ) -> Result<Self> {
        let base = FrozenNet::new(gpu, graph, weights, bits, terms.cut.copies)?.with_dtype(dtype);
        let [c, h, w] = graph.nodes[graph.input()].chw;
        let mut tape = Tape::new();
        let head = LossHead::new(&mut tape, terms.cut.copies, terms.loss);
        let mut group = Group { gpu, base: &base, head, convolutions: &mut Vec::new(), images: 0 };
        let mut ports = Vec::new();
        for (&n, &bytes) in terms.cut.parts.iter().zip(&terms.wanted) {
            let shape = Nhwc::new(n, h, w, c);
            let fused =
                NodeValue { id: tape.kept("fused images", shape.bytes()), shape, copies: 1 };
            let wanted = tape.kept("what is wanted", bytes);
            let d = group.append(&mut tape, fused, wanted)?;
            let d = d.ok_or_else(|| Error::Shape(format!("{} has no gradient", graph.name)))?;
            let gradient = tape.kept("gradient of a group", shape.bytes());
            tape.copy(d, gradient, 0, shape.bytes())?;
            ports.push(Port::new(&tape, fused, wanted, gradient));
        }
        let injectors =
            [base.injector(gpu, 1, Some(faults))?, base.injector(gpu, 0, Some(faults))?];
        Ok(Self { program: Program::build(gpu, &tape)?, ports, head, terms, injectors })
    }

    /// Puts the images of a step, and what is wanted of them, on the device.
    ///
    /// # Errors
    /// They are fewer than a step has.
    pub fn images(&self, gpu: &Gpu, fused: &[f32], wanted: &[u8]) -> Result<()> {
        let (mut fused, mut wanted) = (fused, wanted);
        for port in &self.ports {
            fused = port.write_fused(gpu, &self.program, fused)?;
            wanted = port.write_wanted(gpu, &self.program, wanted)?;
        }
        Ok(())
    }

    /// Computes a group of the step whose images are there, with its maps' `seeds` and the sums `totals` that it adds
    /// to. Waits for the device.
    ///
    /// # Errors
    /// There is no such group; the device failed.
    pub fn run(&self, gpu: &Gpu, group: usize, seeds: &[u64], totals: &[u32]) -> Result<Incoming> {
        let together = self.terms.cut.copies as usize;
        let factors = self.terms.factors.chunks(together).nth(group);
        let factors = factors.ok_or_else(|| Error::Shape(format!("there is no group {group}")))?;
        let injector = &self.injectors[usize::from(group > 0)];
        injector.run(gpu, seeds)?;
        self.program.write(gpu, self.head.weights, 0, factors);
        self.program.write(gpu, self.head.totals, 0, totals);
        self.program.run(gpu)?;
        let gradient = self.ports.iter().map(|port| port.read_gradient(gpu, &self.program));
        let gradient = gradient.collect::<Result<Vec<_>>>()?.concat();
        let mut totals = self.program.read(gpu, self.head.totals)?;
        totals.truncate(2 * together);
        let mut flips = injector.flips(gpu)?;
        flips.drain(..usize::from(group == 0));
        Ok(Incoming { gradient, totals, flips })
    }
}
