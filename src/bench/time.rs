//! Times the repeats of a computation.

use super::{Effort, data};
use crate::{
    error::Result,
    kernels::plan::Plan,
    report::bench_json::Times,
    run::{BufferId, Clock, Gpu, Program, Tape},
};
use std::time::Instant;

/// A dispatch, or a few in a row, made ready on buffers of random values.
pub(super) struct Timed {
    program: Program,
}

impl Timed {
    /// A plan with a variant at a workgroup size.
    pub(super) fn dispatch(
        gpu: &Gpu,
        plan: &Plan,
        (variant, workgroup): (&'static str, u32),
    ) -> Result<Self> {
        Self::of(gpu, plan, |tape, buffers| tape.push_as(plan.clone(), buffers, variant, workgroup))
    }

    /// The entries that `append` appends to a tape that has the buffers of `plan`.
    pub(super) fn of(
        gpu: &Gpu,
        plan: &Plan,
        append: impl FnOnce(&mut Tape, &[BufferId]) -> Result<()>,
    ) -> Result<Self> {
        let mut tape = Tape::new();
        let names = plan.kernel.bindings.iter().skip(1);
        let buffers: Vec<_> =
            names.zip(&plan.bytes).map(|((name, _), &bytes)| tape.kept(name, bytes)).collect();
        append(&mut tape, &buffers)?;
        let program = Program::build(gpu, &tape)?;
        for (i, &buffer) in buffers.iter().enumerate() {
            program.write(gpu, buffer, 0, &data::contents(plan, i));
        }
        gpu.wait("fill buffers")?;
        Ok(Self { program })
    }

    /// Seconds of one run and the clock that measured them.
    pub(super) fn once(&self, gpu: &Gpu) -> Result<(f64, Clock)> {
        let times = self.program.profile(gpu)?;
        let clock = times.first().map_or(Clock::SubmitToIdle, |t| t.clock);
        Ok((times.iter().map(|t| t.seconds).sum(), clock))
    }

    /// Times of repeats after a first run that does not count.
    pub(super) fn repeat(&self, gpu: &Gpu, effort: Effort) -> Result<(Times, Clock)> {
        let (_, mut clock) = self.once(gpu)?;
        let (mut seconds, started) = (Vec::new(), Instant::now());
        while seconds.len() < effort.samples || started.elapsed() < effort.kernel {
            let (one, by) = self.once(gpu)?;
            seconds.push(one);
            clock = by;
        }
        Ok((Times::of(&seconds), clock))
    }
}
