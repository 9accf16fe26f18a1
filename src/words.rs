//! Formats numbers for readers: shares, rates, counts, sizes, durations, dates; and paths for documents.

use std::path::Path;

/// A share below this many per cent is written with a power of ten.
const SMALLEST: f64 = 1e-4;
/// Stands for a missing number.
pub const NONE: &str = "–";

/// A share of a whole in per cent, with at least `digits` digits behind the point and at least three
/// significant digits. So only a share of exactly 0 reads `0 %`.
pub fn share(p: f64, digits: usize) -> String {
    format!("{} %", percents(100.0 * p, digits))
}

/// Formats a value that is in per cent already like [`share`], without the sign `%`.
pub fn percents(v: f64, digits: usize) -> String {
    let size = v.abs();
    if size == 0.0 {
        return "0".into();
    }
    if size < SMALLEST {
        return format!("{v:.2e}");
    }
    let significant = (2 - size.log10().floor() as i32).max(0) as usize;
    format!("{v:.0$}", digits.max(significant))
}

/// A rate rounded to seven significant digits: 0.009000000000000001 becomes 0.009.
pub fn rate(p: f64) -> String {
    let short = format!("{p:.6e}").parse::<f64>().unwrap_or(p);
    if short != 0.0 && short < 1e-6 { format!("{short:e}") } else { short.to_string() }
}

/// A count with a comma between thousands: `11,173,962`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with `digits` decimals and a real minus sign.
pub fn fixed(v: f64, digits: usize) -> String {
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
pub fn short(v: f64) -> String {
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

/// A number of per cent: `44.3 %`.
pub fn percent(v: f64) -> String {
    percent_to(v, 1)
}

/// A number of per cent with `digits` decimals.
pub fn percent_to(v: f64, digits: usize) -> String {
    format!("{} %", fixed(v, digits))
}

/// A size on a disk or of a download: `24.3 MB`, `1.3 GB`.
pub fn bytes(n: u64) -> String {
    match n as f64 / 1e6 {
        mb if mb < 999.95 => format!("{mb:.1} MB"),
        mb => format!("{:.1} GB", mb / 1e3),
    }
}

/// A size in the memory of a device, whose limits are powers of two, in MiB.
pub fn mebibytes(n: u64) -> f64 {
    n as f64 / f64::from(1 << 20)
}

/// A number with three significant digits, such as a rate of operations.
pub fn three_digits(v: f64) -> String {
    let digits = match v.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{v:.digits$}")
}

/// Numbers with a comma between them.
pub fn list(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}

/// A duration: `4.2 s`, `42 s`, `3 min 05 s`, `2 h 07 min`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".into();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

/// A number, and the seconds of the unit behind it if there is one: `90s`, `15m`, `2h`, as [`duration`] is given.
pub fn timed(text: &str) -> (&str, Option<u64>) {
    let units = [('s', 1), ('m', 60), ('h', 3600)];
    let found = units.into_iter().find_map(|(unit, of)| Some((text.strip_suffix(unit)?, of)));
    found.map_or((text, None), |(number, of)| (number, Some(of)))
}

/// Formats Unix seconds as date and time: `2026-01-31 12:05 UTC`. (Crates for dates bring time zones, which are not wanted here.)
pub fn date(unix: f64) -> Option<String> {
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

/// The text of a path in a document, which can hold Unicode only: other bytes of a name are replaced. (serde refuses such
/// a path, and `json!` panics.)
pub fn path(path: impl AsRef<Path>) -> String {
    path.as_ref().to_string_lossy().into_owned()
}

/// At most `most` characters of a text. The middle is left out, because names of layers differ at the end.
pub fn shortened(text: &str, most: usize) -> String {
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
    fn only_nothing_reads_as_nothing() {
        for (p, says) in [
            (0.0, "0 %"),
            (0.010_08, "1.008 %"),
            (0.005, "0.500 %"),
            (0.5, "50.000 %"),
            (1.0, "100.000 %"),
            (0.000_123_4, "0.0123 %"),
            (0.000_003_1, "0.000310 %"),
            (9.999e-7, "1.00e-4 %"),
            (1.0 / 4_294_967_296.0, "2.33e-8 %"),
            (f64::NAN, "NaN %"),
        ] {
            assert_eq!(share(p, 3), says);
        }
        let short = [0.125, 0.0123, 0.0004].map(|p| share(p, 1));
        assert_eq!(short, ["12.5 %", "1.23 %", "0.0400 %"]);
        let rates = [0.01, 0.009_000_000_000_000_001, 0.020_129_388_069, 0.0, 3e-10].map(rate);
        assert_eq!(rates, ["0.01", "0.009", "0.02012939", "0", "3e-10"]);
        let counts = [0, 999, 1000, 11_173_962].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "11,173,962"]);
    }

    #[test]
    fn numbers_have_few_digits_and_a_real_minus() {
        assert_eq!([fixed(-0.04, 1), fixed(-4.5, 1), fixed(f64::NAN, 1)], ["0.0", "−4.5", "–"]);
        assert_eq!([short(1234.5), short(10.0), short(100_000.0)], ["1234", "10", "100000"]);
        assert_eq!([percent(44.26), percent(f64::NAN)], ["44.3 %", "– %"]);
        assert_eq!([percent_to(-44.26, 0), percent_to(9.0, 2)], ["−44 %", "9.00 %"]);
        let sizes = [24_300_000, 999_949_999, 999_950_000, 1_340_000_000].map(bytes);
        assert_eq!(sizes, ["24.3 MB", "999.9 MB", "1.0 GB", "1.3 GB"]);
        assert!((mebibytes(3 << 19) - 1.5).abs() < f64::EPSILON);
        let texts = [123.4, 47.04, 3.456, 0.12345, 0.0].map(three_digits);
        assert_eq!(texts, ["123", "47.0", "3.46", "0.123", "0.000"]);
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        for (seconds, text) in [
            (0.0, "0.0 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (59.7, "1 min 00 s"),
            (185.0, "3 min 05 s"),
            (7620.0, "2 h 07 min"),
            (f64::INFINITY, "?"),
        ] {
            assert_eq!(duration(seconds), text);
        }
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
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(shortened("layer4.1.conv2.weight", 21), "layer4.1.conv2.weight");
        assert_eq!(shortened("abcdefghij", 7), "ab…ghij");
    }
}
