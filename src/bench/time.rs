//! Repeats of one dispatch.

use super::{Effort, data};
use crate::{
    error::Result,
    gpu::{Clock, Gpu, Program, Tape},
    kernel::Plan,
    report::bench_json::Times,
};
use std::time::Instant;

/// One dispatch made ready, on buffers of random values.
pub(super) struct Dispatch {
    program: Program,
}

impl Dispatch {
    /// Compiles `plan` with a variant at a workgroup size, and fills its buffers.
    pub(super) fn new(
        gpu: &Gpu,
        plan: &Plan,
        (variant, workgroup): (&'static str, u32),
    ) -> Result<Self> {
        let mut tape = Tape::new();
        let names = plan.kernel.bindings.iter().skip(1);
        let buffers: Vec<_> =
            names.zip(&plan.bytes).map(|((name, _), &bytes)| tape.kept(name, bytes)).collect();
        tape.push_as(plan.clone(), &buffers, variant, workgroup)?;
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
        Ok(times.first().map_or((0.0, Clock::SubmitToIdle), |t| (t.seconds, t.clock)))
    }

    /// Times of repeats after a first one that does not count.
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
