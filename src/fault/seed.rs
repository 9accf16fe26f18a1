//! Which map each copy of the weights gets at each step.

use super::philox4x32_10;
use crate::error::{Error, Result};
use std::{collections::BTreeSet, ops::Range};

/// Largest seed a user may give: the upper half of the 64-bit seeds belongs to training steps.
pub const MAX_SEED: u64 = (1 << 63) - 1;

/// Seeds of the fault maps of an evaluation where nobody says others: ten maps, as in the paper.
pub const PAPER_SEEDS: Range<u64> = 50_000..50_010;

/// Last counter word of step seeds, where fault maps have their stream (0 to 2): "step" in ASCII.
const STEP: u32 = 0x7374_6570;

/// The seed of the map that perturbed copy `copy` gets at training step `step`.
///
/// Philox of the counter (step lo, step hi, copy, "step") with the run's seed as key; the first two
/// words, lo and hi, are the seed, with its top bit set. So it differs from all seeds up to
/// [`MAX_SEED`], which evaluation uses, and no map of the run's seed uses the same draw.
pub fn step_seed(run_seed: u64, step: u64, copy: u32) -> u64 {
    let counter = [step as u32, (step >> 32) as u32, copy, STEP];
    let [lo, hi, ..] = philox4x32_10(counter, [run_seed as u32, (run_seed >> 32) as u32]);
    u64::from(lo) | u64::from(hi) << 32 | 1 << 63
}

/// Checks a seed that a user gives (chip, evaluation, run).
///
/// # Errors
/// [`Error::Argument`] above [`MAX_SEED`].
pub fn check_seed(flag: &str, seed: u64) -> Result<u64> {
    if seed <= MAX_SEED {
        return Ok(seed);
    }
    Err(Error::argument(
        flag,
        format!("{seed} is above {MAX_SEED}"),
        "larger seeds are kept for training steps, so that these never meet evaluation's",
    ))
}

/// Parses seeds that a user typed: `7`, `7,8` or `7..9` (half open).
///
/// # Errors
/// [`Error::Argument`] for anything else, for a seed that is there twice, and as [`check_seed`].
pub fn parse_seeds(text: &str) -> Result<Vec<u64>> {
    let wrong = || {
        let hint = "as in 50000..50010 (the end is not included), 7 or 7,8";
        Error::argument("--seeds", format!("{text:?} is no seed, list or range"), hint)
    };
    let number = |t: &str| t.trim().parse::<u64>().map_err(|_| wrong());
    let seeds: Vec<u64> = match text.split_once("..") {
        Some((first, end)) => {
            let range: Range<u64> = number(first)?..number(end)?;
            if range.is_empty() || range.end - range.start > 1_000_000 {
                return Err(wrong());
            }
            range.collect()
        }
        None => text.split(',').map(number).collect::<Result<_>>()?,
    };
    let mut seen = BTreeSet::new();
    for &seed in &seeds {
        if !seen.insert(check_seed("--seeds", seed)?) {
            let what = format!("{seed} is there twice: the same chip is no second one");
            return Err(Error::argument("--seeds", what, "leave one out"));
        }
    }
    Ok(seeds)
}

/// Where the maps of a training run come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maps {
    /// A fresh map per step and copy: the population of all chips.
    Fresh {
        /// The run's seed.
        run_seed: u64,
    },
    /// One map for all steps: the chip of that seed, the same as in an evaluation with that seed.
    Chip(u64),
}

impl Maps {
    /// The maps in words.
    pub fn describe(self) -> String {
        match self {
            Self::Fresh { .. } => "fresh maps at every step".into(),
            Self::Chip(seed) => format!("one chip (seed {seed})"),
        }
    }

    /// The seed of one copy's map at one step.
    pub fn seed(self, step: u64, copy: u32) -> u64 {
        match self {
            Self::Fresh { run_seed } => step_seed(run_seed, step, copy),
            Self::Chip(seed) => seed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_steps_or_copies_share_a_map_and_none_meets_evaluation() {
        let mut seen = BTreeSet::new();
        for run in [0, 1, 1 << 32] {
            for step in (0..50).chain([1 << 32, u64::MAX]) {
                for copy in 0..11 {
                    let seed = step_seed(run, step, copy);
                    assert!(seed > MAX_SEED);
                    assert!(seen.insert(seed), "run {run}, step {step}, copy {copy}");
                }
            }
        }
    }

    #[test]
    fn a_chip_is_the_same_at_every_step_and_copy() {
        assert_eq!(Maps::Chip(7).seed(3, 1), 7);
        assert_eq!(Maps::Fresh { run_seed: 7 }.seed(3, 1), step_seed(7, 3, 1));
        assert_eq!(check_seed("--chip", MAX_SEED).unwrap(), MAX_SEED);
        assert_eq!(check_seed("--chip", MAX_SEED + 1).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn seeds_are_half_open_ranges_or_lists() {
        assert_eq!(parse_seeds("5..8").unwrap(), [5, 6, 7]);
        assert_eq!(parse_seeds("7").unwrap(), [7]);
        assert_eq!(parse_seeds("7,1").unwrap(), [7, 1]);
        for wrong in ["8..5", "a", "", "1..", "0..99999999", "-1", "1,2,1"] {
            assert_eq!(parse_seeds(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
