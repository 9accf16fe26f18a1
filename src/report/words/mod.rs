//! Words for readers of pages, charts and tables. Numbers as such have their words in [`crate::words`]; here a
//! space that does not break keeps them on one line with their units, as a browser needs it.

pub mod bench;
pub mod saving;
pub(crate) mod shell;
pub mod table;
pub(crate) mod wrap;

pub(crate) use crate::words::{NONE, count, date, fixed, list, short, shortened};

use std::path::Path;

use crate::{
    error::Result,
    fault::Wording,
    report::documents::{
        csv::{self, Csv},
        eval_json::{Evaluation, Perturbed, Spread},
    },
    words,
};

/// A space that keeps a number and its unit on one line.
const NBSP: char = '\u{a0}';

/// A text that stays on one line.
fn kept(text: &str) -> String {
    text.replace(' ', "\u{a0}")
}

/// Formats a number of per cent: `44.3 %`.
pub(crate) fn percent(v: f64) -> String {
    kept(&words::percent(v))
}

/// Formats a saving in per cent: `19.0 % less` or `28.5 % more`.
pub(crate) fn saving(percent: f64) -> String {
    if percent.is_finite() { kept(&saving::in_words(percent)) } else { NONE.into() }
}

/// A sentence in which numbers stay on one line with their units.
pub(crate) fn unbroken(text: &str) -> String {
    [" %", " points"].iter().fold(text.to_owned(), |text, unit| text.replace(unit, &kept(unit)))
}

/// Formats a probability in per cent: `0.35 %`.
pub(crate) fn rate(p: f64) -> String {
    format!("{}{NBSP}%", short(100.0 * p))
}

/// A share in per cent with at least `digits` decimals; more where it would otherwise read 0 although it is
/// not.
pub(crate) fn part(v: f64, digits: usize) -> String {
    let number = if v.is_finite() { words::percents(v, digits) } else { NONE.into() };
    format!("{number}{NBSP}%")
}

/// Formats a share of bits in per cent: `1.003 %`.
pub(crate) fn share(p: f64) -> String {
    part(100.0 * p, 3)
}

/// Formats percentage points with their sign: `+20.1`.
pub(crate) fn points(v: f64) -> String {
    let text = fixed(v, 1);
    let zero = text.bytes().all(|b| b == b'0' || b == b'.');
    if text.starts_with('−') || text == NONE || zero { text } else { format!("+{text}") }
}

/// Formats mean and deviation: `40.0 ± 10.0`; a single value has no deviation.
pub(crate) fn spread(s: &Spread) -> String {
    match s.each.len() {
        0 | 1 => fixed(s.mean, 1),
        _ => kept(&format!("{} ± {}", fixed(s.mean, 1), fixed(s.std, 1))),
    }
}

/// Formats the 95 % interval of a mean: `38.1 to 41.9`.
pub(crate) fn interval(s: &Spread) -> Option<String> {
    let [low, high] = s.interval?;
    Some(kept(&format!("{} to {}", fixed(low, 1), fixed(high, 1))))
}

/// Formats a count: `one map` or `3 maps`.
pub(crate) fn several(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("one{NBSP}{one}") } else { format!("{n}{NBSP}{many}") }
}

/// Formats a duration, as in `2 h 05 min`.
pub(crate) fn duration(seconds: f64) -> String {
    kept(&words::duration(seconds))
}

/// A table for other programs with a row for each fault map.
pub(crate) fn maps<'a>(evaluations: impl IntoIterator<Item = &'a Evaluation>) -> Csv {
    csv::maps(evaluations, |p| table::faults(&p.faults))
}

/// Writes that table, whole or not at all.
pub(crate) fn save_maps<'a>(
    path: &Path,
    evaluations: impl IntoIterator<Item = &'a Evaluation>,
) -> Result<()> {
    maps(evaluations).save(path)
}

/// Formats seeds as `--seeds` accepts them: `50000..50010`, or a list.
pub(crate) fn seeds(seeds: &[u64]) -> String {
    match seeds {
        [] => NONE.into(),
        [one] => one.to_string(),
        [first, .., last] if seeds.windows(2).all(|w| w[0].checked_add(1) == Some(w[1])) => {
            last.checked_add(1).map_or_else(|| list(seeds), |end| format!("{first}..{end}"))
        }
        _ => list(seeds),
    }
}

/// The fault model, and its restrictions.
pub(crate) fn faults(p: &Perturbed) -> String {
    p.faults.words(Wording::List(rate)).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_signed() {
        assert_eq!(percent(44.26), "44.3\u{a0}%");
        assert_eq!([points(20.1), points(-4.5), points(0.04)], ["+20.1", "−4.5", "0.0"]);
        assert_eq!(points(f64::NAN), "–");
        let rates = [0.01, 0.0035, 0.5, 1e-5, 0.012_345_6, 0.0].map(rate);
        let wanted = ["1", "0.35", "50", "0.001", "1.235", "0"].map(|s| format!("{s}\u{a0}%"));
        assert_eq!(rates, wanted);
        let shares = [0.010_034, 0.000_003_1, 0.0].map(share);
        assert_eq!(shares, ["1.003", "0.000310", "0"].map(|s| format!("{s}\u{a0}%")));
        assert_eq!(share(f64::NAN), "–\u{a0}%");
        assert_eq!(duration(3725.0), "1\u{a0}h\u{a0}02\u{a0}min");
    }

    #[test]
    fn seeds_are_ranges_where_they_can_be() {
        assert_eq!(seeds(&[50_000, 50_001, 50_002]), "50000..50003");
        assert_eq!(seeds(&[7]), "7");
        assert_eq!(seeds(&[1, 3]), "1,3");
        assert_eq!(seeds(&[u64::MAX - 1, u64::MAX]), "18446744073709551614,18446744073709551615");
        assert_eq!(seeds(&[]), "–");
    }
}
