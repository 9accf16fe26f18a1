//! Checks whether the numbers of a training are still finite, and finds where they ceased to be.
//!
//! Once an optimiser's state or a running statistic is not finite, it stays so. A check every few steps
//! therefore misses nothing, and the other steps cost nothing. The loss alone would not do, because it
//! is computed from the parameters before the update. The state of the last good check is kept on the
//! device: from there, the few steps since are repeated to find the entry of the tape that writes the
//! first bad number.

use crate::{
    error::{Error, Result},
    fault::FloatFormat,
    gpu::Buffer,
    kernels::reduce::non_finite::NONE,
    nn::{TrainableNet, append_look, first_not_finite},
    run::{BufferId, Gpu, Program, Tape},
    step::RunEntries,
};

/// Checks the state of a network in training.
#[derive(Debug)]
pub(super) struct Sentinel {
    look: Program,
    found: BufferId,
    names: Vec<&'static str>,
    /// Programs that keep the state and restore it; `None` if the device has no room for a second
    /// state.
    kept: Option<[Program; 2]>,
    /// Number of steps done when the state was kept.
    since: u64,
}

impl Sentinel {
    /// A sentinel for a network in its state after `step` steps.
    pub(super) fn new(gpu: &Gpu, net: &TrainableNet, step: u64) -> Result<Self> {
        let (names, buffers): (Vec<_>, Vec<_>) = net.state().unzip();
        let slots = u32::try_from(buffers.len()).unwrap_or(u32::MAX);
        let mut tape = Tape::new();
        let found = tape.kept("not finite", u64::from(slots) * 4);
        for (&buffer, slot) in buffers.iter().zip(0..) {
            append_look(&mut tape, buffer, buffer.bytes(), (found, slot, slots))?;
        }
        let look = Program::build(gpu, &tape)?;
        look.write(gpu, found, 0, &vec![NONE; slots as usize]);
        let kept = match keeper(gpu, &buffers) {
            Ok(programs) => Some(programs),
            Err(error) if error.is_size() => None,
            Err(error) => return Err(error),
        };
        let mut sentinel = Self { look, found, names, kept, since: step };
        sentinel.keep(gpu, step)?;
        Ok(sentinel)
    }

    /// Name of the state that is not finite, if there is one. Waits for the device.
    pub(super) fn check(&self, gpu: &Gpu) -> Result<Option<&'static str>> {
        self.look.run(gpu)?;
        let found: Vec<u32> = self.look.read(gpu, self.found)?;
        self.look.write(gpu, self.found, 0, &vec![NONE; self.names.len()]);
        Ok(self.names.iter().zip(found).find(|&(_, at)| at != NONE).map(|(&name, _)| name))
    }

    /// Keeps the present state, which is good after `step` steps.
    pub(super) fn keep(&mut self, gpu: &Gpu, step: u64) -> Result<()> {
        self.since = step;
        self.kept.as_ref().map_or(Ok(()), |[keep, _]| keep.run(gpu))
    }

    /// Repeats the steps since the last good check, up to `end`, and returns the step that gives the
    /// first number that is not finite, and where. `step` runs one step with the function that runs the
    /// tape, and returns whether its losses are finite.
    pub(super) fn blame(
        &mut self,
        gpu: &Gpu,
        end: u64,
        step: &mut dyn FnMut(u64, RunEntries<'_>) -> Result<bool>,
    ) -> Result<(u64, Option<String>)> {
        if self.kept.is_none() {
            return Ok((end, None));
        }
        for at in self.since..end {
            self.restore(gpu)?;
            let fine = step(at, &mut |program, entries| program.run_range(gpu, entries))?;
            if fine && self.check(gpu)?.is_none() {
                self.keep(gpu, at + 1)?;
                continue;
            }
            self.restore(gpu)?;
            let mut first = None;
            step(at, &mut |program, entries| {
                let here = first_not_finite(gpu, program, entries)?;
                first = first.take().or(here);
                Ok(())
            })?;
            return Ok((at + 1, first));
        }
        let elsewhere = "nothing when the steps were done again: it came from elsewhere, perhaps from \
                         the adapter's memory";
        Ok((end, Some(elsewhere.into())))
    }

    fn restore(&self, gpu: &Gpu) -> Result<()> {
        self.kept.as_ref().map_or(Ok(()), |[_, back]| back.run(gpu))
    }
}

/// The error for a number that is not finite, first seen at `(step, place)`; `stored` is the format of weights that
/// are floats in the memory.
pub(super) fn not_finite(
    what: &str,
    (step, place): (u64, Option<String>),
    stored: Option<FloatFormat>,
) -> Error {
    let finite_bits = stored.map(FloatFormat::finite_bits);
    Error::NotFinite { what: what.to_owned(), step, place, finite_bits }
}

/// Two programs: one copies buffers to others of the same sizes, the other copies them back.
fn keeper(gpu: &Gpu, buffers: &[&Buffer]) -> Result<[Program; 2]> {
    let [mut keep, mut back] = [Tape::new(), Tape::new()];
    for buffer in buffers {
        let other = Buffer::new(gpu, "state of the last good step", buffer.bytes())?;
        for (tape, [from, to]) in [(&mut keep, [*buffer, &other]), (&mut back, [&other, *buffer])] {
            let (from, to) = (tape.import("from", from), tape.import("to", to));
            tape.copy(from, to, 0, buffer.bytes())?;
        }
    }
    Ok([Program::build(gpu, &keep)?, Program::build(gpu, &back)?])
}
