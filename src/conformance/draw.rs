//! Randomly drawn cases: a kernel and a seed determine a case.

use crate::{
    error::{Error, Result},
    kernels::{
        list::suites,
        twin::{Case, Random, Suite},
    },
};
use std::{fmt, str::FromStr};

/// A case to draw, written `KERNEL:SEED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The kernel's name.
    pub kernel: &'static str,
    /// Seed from which the case is drawn.
    pub seed: u32,
}

impl Draw {
    /// Draws the case; `suite` must be the suite of its kernel.
    pub fn case(self, suite: &Suite) -> Result<Case> {
        let mut case = (suite.random)(&mut Random::new(self.seed))?;
        case.label = format!("{self} {}", case.label.trim());
        Ok(case)
    }
}

impl fmt::Display for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kernel, self.seed)
    }
}

impl FromStr for Draw {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let hint = "KERNEL:SEED as a failure printed it, such as conv2d:123";
        let Some((name, seed)) = text.split_once(':') else {
            return Err(Error::argument("--replay", format!("{text:?} has no :"), hint));
        };
        let names = || suites().map(|s| s.kernel.name);
        let kernel = names().find(|&known| known == name);
        let kernel = kernel.ok_or_else(|| Error::unknown("kernel", name, names()))?;
        let seed = seed.parse().map_err(|_| {
            Error::argument("--replay", format!("{seed:?} is no seed: 0 to 2^32 - 1"), hint)
        })?;
        Ok(Self { kernel, seed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_read_as_it_is_written() {
        let draw = Draw { kernel: "add", seed: u32::MAX };
        assert_eq!(draw.to_string().parse::<Draw>().unwrap(), draw);
        for (bad, says) in [("add", "no :"), ("ad:1", "unknown kernel"), ("add:x", "no seed")] {
            let error = bad.parse::<Draw>().unwrap_err();
            assert!(error.to_string().contains(says) && error.exit_code() == 2, "{error}");
        }
    }

    #[test]
    fn every_kernel_draws_the_same_case_from_the_same_seed() {
        for suite in suites() {
            for seed in 0..60 {
                let draw = Draw { kernel: suite.kernel.name, seed };
                let case = draw.case(suite).unwrap();
                assert_eq!(case.plan.kernel.name, suite.kernel.name);
                let words: u64 = case.plan.bytes.iter().sum::<u64>() / 4;
                assert!(words < 4_000_000, "{draw}: {words} words take long");
                if seed < 3 {
                    let again = draw.case(suite).unwrap();
                    assert_eq!(format!("{case:?}"), format!("{again:?}"), "{draw}");
                }
            }
        }
    }
}
