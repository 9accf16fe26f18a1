//! Formats numbers for readers.

use crate::{
    fault::Wording,
    report::{
        eval_json::{Perturbed, Spread},
        saving,
    },
};

/// A space that keeps a number and its unit on one line.
const NBSP: char = '\u{a0}';
/// Stands for a missing number.
pub(crate) const NONE: &str = "–";

/// A number with `digits` decimals and a real minus sign.
pub(crate) fn fixed(v: f64, digits: usize) -> String {
    if !v.is_finite() {
        return NONE.into();
    }
    let text = format!("{v:.digits$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.bytes().all(|b| b == b'0' || b == b'.') => zero.into(),
        Some(positive) => format!("−{positive}"),
        None => text,
    }
}

/// A number with at most four significant digits.
pub(crate) fn short(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return fixed(v, 0);
    }
    let digits = (3 - v.abs().log10().floor() as i32).clamp(0, 12);
    let text = fixed(v, digits as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').into(),
        false => text,
    }
}

/// Formats a number of per cent: `44.3 %`.
pub(crate) fn percent(v: f64) -> String {
    format!("{}{NBSP}%", fixed(v, 1))
}

/// Formats a saving in per cent: `19.0 % less` or `28.5 % more`.
pub(crate) fn saving(percent: f64) -> String {
    match percent.is_finite() {
        true => saving::in_words(percent).replace(' ', &NBSP.to_string()),
        false => NONE.into(),
    }
}

/// A sentence in which numbers stay on one line with their units.
pub(crate) fn unbroken(text: &str) -> String {
    let parts = [" %", " points"].map(|unit| (unit, unit.replace(' ', &NBSP.to_string())));
    parts.iter().fold(text.to_owned(), |text, (unit, kept)| text.replace(unit, kept))
}

/// Formats a probability in per cent: `0.35 %`.
pub(crate) fn rate(p: f64) -> String {
    format!("{}{NBSP}%", short(100.0 * p))
}

/// A share in per cent with at least `digits` decimals; more where it would otherwise read 0 although it is
/// not.
pub(crate) fn part(v: f64, digits: usize) -> String {
    let number = if v.is_finite() { crate::words::percents(v, digits) } else { NONE.into() };
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
        _ => format!("{}{NBSP}±{NBSP}{}", fixed(s.mean, 1), fixed(s.std, 1)),
    }
}

/// Formats the 95 % interval of a mean: `38.1 to 41.9`.
pub(crate) fn interval(s: &Spread) -> Option<String> {
    let [low, high] = s.interval?;
    Some(format!("{}{NBSP}to{NBSP}{}", fixed(low, 1), fixed(high, 1)))
}

pub(crate) use crate::words::count;

/// Formats a count: `one map` or `3 maps`.
pub(crate) fn several(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("one{NBSP}{one}") } else { format!("{n}{NBSP}{many}") }
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

fn list(seeds: &[u64]) -> String {
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}

/// The fault model, and its restrictions.
pub(crate) fn faults(p: &Perturbed) -> String {
    p.faults.words(Wording::List(rate)).concat()
}

/// Formats Unix seconds as date and time: `2026-01-31 12:05 UTC`.
pub(crate) fn date(unix: f64) -> Option<String> {
    // Dates after the year 9999 cannot be those of a run.
    if !(0.0..253_402_300_800.0).contains(&unix) {
        return None;
    }
    let (days, seconds) = (unix as i64 / 86_400, unix as i64 % 86_400);
    // The algorithm is Howard Hinnant's civil_from_days: years begin in March, and 400 of them have
    // 146,097 days.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + next;
    let (hour, minute) = (seconds / 3600, seconds / 60 % 60);
    Some(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC"))
}

/// Formats a duration: `2 h 05 min`, `3 min 20 s`, `45 s`.
pub(crate) fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s}{NBSP}s"),
        (0, m, s) => format!("{m}{NBSP}min {s:02}{NBSP}s"),
        (h, m, _) => format!("{h}{NBSP}h {m:02}{NBSP}min"),
    }
}

/// At most `most` characters of a text. The middle is left out, because names of layers differ at the end.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let n = text.chars().count();
    if n <= most {
        return text.into();
    }
    let (head, tail) = (most / 3, most - most / 3 - 1);
    let skip = n - tail;
    text.chars().take(head).chain(['…']).chain(text.chars().skip(skip)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_signed() {
        assert_eq!(percent(44.26), "44.3\u{a0}%");
        assert_eq!(fixed(-0.04, 1), "0.0");
        assert_eq!([points(20.1), points(-4.5), points(0.04)], ["+20.1", "−4.5", "0.0"]);
        assert_eq!(points(f64::NAN), "–");
        let rates = [0.01, 0.0035, 0.5, 1e-5, 0.012_345_6, 0.0].map(rate);
        let wanted = ["1", "0.35", "50", "0.001", "1.235", "0"].map(|s| format!("{s}\u{a0}%"));
        assert_eq!(rates, wanted);
        assert_eq!([short(1234.5), short(10.0), short(100_000.0)], ["1234", "10", "100000"]);
        let shares = [0.010_034, 0.000_003_1, 0.0].map(share);
        assert_eq!(shares, ["1.003", "0.000310", "0"].map(|s| format!("{s}\u{a0}%")));
        assert_eq!(share(f64::NAN), "–\u{a0}%");
    }

    #[test]
    fn seeds_are_ranges_where_they_can_be() {
        assert_eq!(seeds(&[50_000, 50_001, 50_002]), "50000..50003");
        assert_eq!(seeds(&[7]), "7");
        assert_eq!(seeds(&[1, 3]), "1,3");
        assert_eq!(seeds(&[u64::MAX - 1, u64::MAX]), "18446744073709551614,18446744073709551615");
        assert_eq!(seeds(&[]), "–");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // Reference values from `date -u -d @N`.
        for (unix, wanted) in [
            (0.0, "1970-01-01 00:00 UTC"),
            (951_782_399.0, "2000-02-28 23:59 UTC"),
            (951_782_400.5, "2000-02-29 00:00 UTC"),
            (1_767_225_599.0, "2025-12-31 23:59 UTC"),
            (4_107_542_400.0, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(date(unix).unwrap(), wanted);
        }
        assert_eq!([date(-1.0), date(f64::NAN), date(1e300)], [None, None, None]);
        assert_eq!(duration(3725.0), "1\u{a0}h 02\u{a0}min");
        assert_eq!(duration(45.9), "45\u{a0}s");
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(shortened("layer4.1.conv2.weight", 21), "layer4.1.conv2.weight");
        assert_eq!(shortened("abcdefghij", 7), "ab…ghij");
    }
}
