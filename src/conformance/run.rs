//! Runs cases on adapters for a survey: the cases of the suites, or drawn ones.

use super::{CaseOutcome, Draw, Failure, Survey, Use, Wrong, run_case};
use crate::kernels::twin::{Case, Random};
use crate::{
    error::{Error, Result},
    gpu::AdapterChoice,
    kernels::{desc::Variant, twin::Suite},
    run::Gpu,
};
use std::time::Instant;

/// Which cases to run.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// All cases of the suites, at every workgroup size.
    Suites,
    /// Drawn cases until a given time. Kernels take turns, and each gets as many draws per turn as
    /// it has variants. Every variant runs a case at one workgroup size.
    Drawn {
        /// Seed of the sequence of draws.
        seed: u32,
        /// When to end.
        until: Instant,
    },
    /// One drawn case, at every workgroup size.
    Replay(Draw),
}

/// What a [`Listener`] is told while cases run.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// A case is about to run: its kernel and label.
    Case(&'a str),
    /// A variant's first wrong case.
    Wrong(&'a Use<'a>, &'a Failure),
}

/// Called with every [`News`]; an error that it returns ends the whole run.
pub type Listener<'a> = &'a mut dyn FnMut(&Survey, News<'_>) -> Result<()>;

/// After this many drawn cases a new device is opened. The old one's compiled pipelines are freed
/// with it: every new shape may need its own pipeline.
const DRAWS_OF_A_DEVICE: usize = 500;

/// An adapter while cases run on it.
struct Runner<'a> {
    choice: &'a AdapterChoice,
    gpu: Gpu,
    survey: &'a mut Survey,
    listener: Listener<'a>,
}

/// Runs cases of `suites` on an adapter and records the outcomes in `survey`.
///
/// # Errors
/// The adapter cannot be opened, a case is inconsistent, or `listener` returned an error. A case
/// that the driver refuses to compute is a wrong result, not an error.
pub fn run(
    survey: &mut Survey,
    choice: &AdapterChoice,
    suites: &[&Suite],
    what: What,
    listener: Listener<'_>,
) -> Result<()> {
    let gpu = Gpu::open(choice)?;
    survey.begin(gpu.report().clone(), suites);
    let mut runner = Runner { choice, gpu, survey, listener };
    match what {
        What::Suites => {
            for suite in suites {
                for case in (suite.cases)()? {
                    runner.at_every_size(&case, None)?;
                }
            }
            runner.survey.end();
        }
        What::Replay(draw) => {
            for suite in suites {
                runner.at_every_size(&draw.case(suite)?, Some(draw))?;
            }
        }
        What::Drawn { seed, until } => {
            let mut random = Random::new(seed);
            let turns = || suites.iter().flat_map(|s| s.kernel.variants.iter().map(move |_| *s));
            let draws = std::iter::repeat_with(turns).flatten().enumerate();
            for (i, suite) in draws.take_while(|_| Instant::now() < until) {
                if (i + 1).is_multiple_of(DRAWS_OF_A_DEVICE) {
                    runner.gpu = Gpu::open(choice)?;
                }
                runner.drawn(suite, random.bits())?;
            }
        }
    }
    Ok(())
}

impl Runner<'_> {
    fn tell(&mut self, case: &str) -> Result<()> {
        (self.listener)(self.survey, News::Case(case))
    }

    /// Runs every variant that serves a case, at every workgroup size.
    fn at_every_size(&mut self, case: &Case, draw: Option<Draw>) -> Result<()> {
        let kernel = case.plan.kernel.name;
        self.tell(&format!("{kernel} {}", case.label.trim()))?;
        for variant in case.plan.kernel.variants.iter().filter(|v| v.serves(&case.plan)) {
            for &workgroup in variant.workgroups {
                self.one(case, variant, workgroup, draw)?;
            }
        }
        Ok(())
    }

    /// Runs a drawn case with every variant, at a workgroup size that the seed decides on.
    fn drawn(&mut self, suite: &Suite, seed: u32) -> Result<()> {
        let draw = Draw { kernel: suite.kernel.name, seed };
        let case = draw.case(suite)?;
        self.tell(&case.label)?;
        let mut random = Random::new(!seed);
        for variant in suite.kernel.variants {
            let workgroup = random.of(variant.workgroups);
            if variant.serves(&case.plan) {
                self.one(&case, variant, workgroup, Some(draw))?;
            }
        }
        Ok(())
    }

    /// Runs a case with one variant at one workgroup size. A lost device is opened again.
    fn one(
        &mut self,
        case: &Case,
        variant: &'static Variant,
        workgroup: u32,
        draw: Option<Draw>,
    ) -> Result<()> {
        let outcome = match run_case(&self.gpu, case, variant, workgroup) {
            Ok(outcome) => outcome,
            Err(error) if error.is_size() => CaseOutcome::Unsupported(error.to_string()),
            Err(error @ Error::Gpu { .. }) => CaseOutcome::Wrong(Wrong::refused(&error)),
            Err(error @ Error::DeviceLost { .. }) => {
                self.gpu = Gpu::open(self.choice)?;
                CaseOutcome::Wrong(Wrong::refused(&error))
            }
            Err(error) => return Err(error),
        };
        let of = Use {
            kernel: case.plan.kernel.name,
            variant: variant.name,
            workgroup,
            case: &case.label,
            replay: draw.map(|draw| draw.to_string()),
        };
        self.survey
            .record(&of, &outcome)
            .map_or(Ok(()), |failure| (self.listener)(self.survey, News::Wrong(&of, &failure)))
    }
}
