//! Formats numbers for readers: shares, rates and counts.

/// A share below this many per cent is written with a power of ten.
const SMALLEST: f64 = 1e-4;

/// A share of a whole in per cent, with at least `digits` digits behind the point and at least three
/// significant digits. So only a share of exactly 0 reads `0 %`.
#[must_use]
pub fn share(p: f64, digits: usize) -> String {
    format!("{} %", percents(100.0 * p, digits))
}

/// Formats a value that is in per cent already like [`share`], without the sign `%`.
#[must_use]
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
#[must_use]
pub fn rate(p: f64) -> String {
    let short = format!("{p:.6e}").parse::<f64>().unwrap_or(p);
    if short != 0.0 && short < 1e-6 { format!("{short:e}") } else { short.to_string() }
}

/// A count with a comma between thousands: `11,173,962`.
#[must_use]
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
}
