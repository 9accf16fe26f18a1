//! One training step as a program for the GPU: forward, loss, backward, update. [`train`](crate::train) repeats
//! them, [`forward`](crate::forward) runs one on a user's tensors, and [`bench`](crate::bench) times them.

mod eopm;
mod gradients;
mod group;
mod loss_head;
mod remote;
mod supervised;
mod target;

pub use eopm::{Eopm, EopmSettings};
pub use gradients::{EopmStep, EopmTape};
pub use loss_head::{Loss, LossHead, loss_scale};
pub use remote::{GroupProgram, Incoming, Outgoing, RemoteGroups, Terms};
pub use supervised::{Supervised, SupervisedSettings};
pub use target::Target;

use crate::{
    error::Result,
    nn::{Cut, DeviceImages, Pick},
    run::{Gpu, Program},
};
use std::ops::Range;

/// A function that runs entries of a step's tape: all of them, in order, in one or several calls. It may look at
/// buffers in between.
pub type RunEntries<'a> = &'a mut dyn FnMut(&Program, Range<usize>) -> Result<()>;

/// A step with its update, as a loop sees it.
pub trait TrainingStep {
    /// Runs step `step` (counted from 0) at a learning rate, without waiting for it: on the chosen images of a
    /// set on the device, or on the pixels that come along with a streamed set. `run` runs the tape.
    fn run_by(
        &mut self,
        gpu: &Gpu,
        images: &DeviceImages,
        batch: (&[Pick], &[u8]),
        at: (u64, f64),
        run: RunEntries<'_>,
    ) -> Result<()>;

    /// The same without looking into it.
    fn run(
        &mut self,
        gpu: &Gpu,
        images: &DeviceImages,
        batch: (&[Pick], &[u8]),
        at: (u64, f64),
    ) -> Result<()> {
        let run = &mut |program: &Program, entries| program.run_range(gpu, entries);
        self.run_by(gpu, images, batch, at, run)
    }

    /// Mean losses since the last call. Waits for the device.
    fn losses(&mut self, gpu: &Gpu) -> Result<Losses>;

    /// Bits that the last step's fault maps flipped, as a share of all stored bits of the perturbed copies;
    /// `None` for a step without faults. Waits for the device.
    fn flip_rate(&self, gpu: &Gpu) -> Result<Option<f64>>;

    /// The compiled program.
    fn program(&self) -> &Program;

    /// How the step is cut to fit the adapter.
    fn cut(&self) -> &Cut;

    /// Loss scale: the loss is multiplied by it before the backward pass, and gradients are divided by it in
    /// the update.
    fn loss_scale(&self) -> f32;
}

/// Mean losses of some steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    /// Of the network without faults.
    pub clean: f32,
    /// Of the perturbed networks, if there are any.
    pub perturbed: Option<f32>,
}

impl Losses {
    /// Whether none of them is infinite or NaN.
    pub fn are_finite(self) -> bool {
        self.clean.is_finite() && self.perturbed.is_none_or(f32::is_finite)
    }
}
