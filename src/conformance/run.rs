//! Runs cases on adapters for a survey: those of the suites, or drawn ones.

use super::{Case, Draw, Outcome, Random, Survey, Use, Wrong, run_case};
use crate::{
    error::{Error, Result},
    gpu::{AdapterChoice, Gpu},
    kernel::Variant,
    reference::Suite,
};
use std::time::Instant;

/// Which cases to run.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// All of the suites, at every workgroup size.
    Suites,
    /// Drawn ones until then, one after the other for every kernel; every variant at one workgroup
    /// size.
    Drawn {
        /// Of the sequence.
        seed: u32,
        /// When to end.
        until: Instant,
    },
    /// One drawn case, at every workgroup size.
    Replay(Draw),
}

/// An adapter while cases run on it.
struct Runner<'a> {
    choice: &'a AdapterChoice,
    gpu: Gpu,
    survey: &'a mut Survey,
}

/// Runs cases of `suites` on an adapter and takes down what became of them; `each` hears of every case
/// before it runs and may end it all with an error.
///
/// # Errors
/// The adapter cannot be opened, a case is inconsistent, or what `each` returns. What the driver
/// refuses is a wrong result.
pub fn run(
    survey: &mut Survey,
    choice: &AdapterChoice,
    suites: &[&Suite],
    what: What,
    each: &mut dyn FnMut(&str, &Survey) -> Result<()>,
) -> Result<()> {
    survey.complete = false;
    let gpu = Gpu::open(choice)?;
    survey.begin(gpu.report().clone(), suites.iter().map(|s| s.kernel));
    let mut runner = Runner { choice, gpu, survey };
    match what {
        What::Suites => {
            for suite in suites {
                let cases = (suite.cases)()?;
                runner.all(&cases, None, each)?;
            }
        }
        What::Replay(draw) => {
            for suite in suites {
                runner.all(&[draw.case(suite)?], Some(draw), each)?;
            }
        }
        What::Drawn { seed, until } => {
            let mut random = Random::new(seed);
            'all: loop {
                for suite in suites {
                    if Instant::now() >= until {
                        break 'all;
                    }
                    runner.drawn(suite, random.bits(), each)?;
                }
            }
        }
    }
    survey.complete = true;
    Ok(())
}

impl Runner<'_> {
    /// Every case with every variant that serves it, at every workgroup size.
    fn all(
        &mut self,
        cases: &[Case],
        draw: Option<Draw>,
        each: &mut dyn FnMut(&str, &Survey) -> Result<()>,
    ) -> Result<()> {
        for case in cases {
            let kernel = case.plan.kernel;
            each(kernel.name, self.survey)?;
            for variant in kernel.variants.iter().filter(|v| v.serves(&case.plan)) {
                for &workgroup in variant.workgroups {
                    self.one(case, variant, workgroup, draw)?;
                }
            }
        }
        Ok(())
    }

    /// A drawn case, every variant at a workgroup size that the seed decides on.
    fn drawn(
        &mut self,
        suite: &Suite,
        seed: u32,
        each: &mut dyn FnMut(&str, &Survey) -> Result<()>,
    ) -> Result<()> {
        let draw = Draw { kernel: suite.kernel.name, seed };
        each(&draw.to_string(), self.survey)?;
        let case = draw.case(suite)?;
        let mut random = Random::new(!seed);
        for variant in suite.kernel.variants {
            let workgroup = random.of(variant.workgroups);
            if variant.serves(&case.plan) {
                self.one(&case, variant, workgroup, Some(draw))?;
            }
        }
        Ok(())
    }

    /// One use. A device that is lost is opened again.
    fn one(
        &mut self,
        case: &Case,
        variant: &'static Variant,
        workgroup: u32,
        draw: Option<Draw>,
    ) -> Result<()> {
        let outcome = match run_case(&self.gpu, case, variant, workgroup) {
            Ok(outcome) => outcome,
            Err(error) if error.is_size() => Outcome::Unsupported(error.to_string()),
            Err(error @ Error::Gpu { .. }) => Outcome::Wrong(Wrong::refused(&error)),
            Err(error @ Error::DeviceLost { .. }) => {
                self.gpu = Gpu::open(self.choice)?;
                Outcome::Wrong(Wrong::refused(&error))
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
        self.survey.record(&of, &outcome);
        Ok(())
    }
}
