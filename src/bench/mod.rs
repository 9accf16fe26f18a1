//! Times on the user's adapter: its own ceilings, kernels, whole steps, and how these grow. What `nf-gpu bench` measures.

mod cases;
mod ceilings;
mod data;
mod scaling;
mod steps;
mod time;

pub use cases::{CasePosition, CaseSettings, cases, kernel_names, place_again};
pub use ceilings::{ceilings, ceilings_again};
pub use scaling::scaling;
pub use steps::{
    GLANCE, STEPS, StepSettings, estimate_pass, estimate_pretraining_step, estimate_step,
    seconds_of_a_step, step_names, steps,
};

use crate::{
    error::{Error, Result},
    report::bench_json::{BenchAdapter, Report, VERSION},
    run::Gpu,
};
use std::time::Duration;

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Time for the repeats of one kernel or ceiling.
    pub kernel: Duration,
    /// Time for the repeats of one step.
    pub step: Duration,
    /// Least number of repeats.
    pub samples: usize,
}

impl Effort {
    /// Effort for numbers that are kept.
    pub fn full(gpu: &Gpu) -> Self {
        // A GPU repeats a kernel a hundred times while a software adapter does it once.
        let kernel = if gpu.report().is_software() { 600 } else { 200 };
        Self { kernel: Duration::from_millis(kernel), step: Duration::from_secs(10), samples: 5 }
    }

    /// Effort of a software adapter for a variant that networks do not use there: a quarter of the time, and one repeat
    /// of what takes longer.
    fn aside(self) -> Self {
        Self { kernel: self.kernel / 4, samples: 1, ..self }
    }

    /// Effort for a quick look.
    pub const QUICK: Self =
        Self { kernel: Duration::from_millis(40), step: Duration::from_millis(500), samples: 2 };
}

/// The clock of several measurements, in one word.
#[must_use]
pub fn common_clock<'a>(mut clocks: impl Iterator<Item = &'a str>) -> String {
    match clocks.next() {
        None => String::new(),
        Some(first) if clocks.all(|clock| clock == first) => first.into(),
        Some(_) => "mixed".into(),
    }
}

/// Whether to measure more.
fn go_on(stop: &dyn Fn() -> bool) -> Result<()> {
    if stop() { Err(Error::Interrupted) } else { Ok(()) }
}

/// A report without measurements.
pub fn empty_report(gpu: &Gpu) -> Report {
    let adapter = serde_json::to_value(gpu.report()).unwrap_or_default();
    Report {
        version: VERSION,
        adapter: serde_json::from_value::<BenchAdapter>(adapter).unwrap_or_default(),
        commit: env!("NF_COMMIT").into(),
        ..Report::default()
    }
}
