//! Parses seeds that a user typed.

use crate::{
    error::{Error, Result},
    fault::check_seed,
};
use std::{collections::BTreeSet, ops::Range};

/// Parses `7`, `7,8` or `7..9` (half open).
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

#[cfg(test)]
mod tests {
    use super::*;

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
