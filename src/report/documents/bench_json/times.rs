//! Statistics of repeated times.

use serde::{Deserialize, Serialize};

/// Fastest time and quartiles in milliseconds, and the number of repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Repeats.
    pub samples: usize,
    /// The fastest.
    #[serde(default)]
    pub min_ms: f64,
    /// First quartile.
    pub lower_ms: f64,
    pub median_ms: f64,
    /// Third quartile.
    pub upper_ms: f64,
}

impl Times {
    /// Statistics of times in seconds; quartiles are interpolated linearly, and all fields are 0 without
    /// times.
    pub fn of(seconds: &[f64]) -> Self {
        let mut ms: Vec<f64> = seconds.iter().map(|s| 1e3 * s).collect();
        ms.sort_by(f64::total_cmp);
        let at = |quarters: usize| {
            let (whole, part) = ((ms.len().saturating_sub(1)) * quarters / 4, quarters);
            let low = ms.get(whole).copied().unwrap_or_default();
            let high = ms.get(whole + 1).copied().unwrap_or(low);
            let fraction = ((ms.len().saturating_sub(1)) * part % 4) as f64 / 4.0;
            low + fraction * (high - low)
        };
        Self {
            samples: ms.len(),
            min_ms: at(0),
            lower_ms: at(1),
            median_ms: at(2),
            upper_ms: at(3),
        }
    }

    /// Rate at the median time, in billions per second, where one repeat does `work`.
    pub fn rate(&self, work: u64) -> f64 {
        per_second(work, self.median_ms)
    }
}

/// Rate in billions per second for `work` in `ms` milliseconds; 0 if `ms` is 0.
pub(crate) fn per_second(work: u64, ms: f64) -> f64 {
    if ms > 0.0 { work as f64 / ms / 1e6 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_interpolate_and_do_not_depend_on_the_order() {
        let times = Times::of(&[0.004, 0.001, 0.003, 0.002]);
        assert_eq!((times.samples, times.min_ms), (4, 1.0));
        let quartiles = [times.lower_ms, times.median_ms, times.upper_ms];
        for (got, want) in quartiles.into_iter().zip([1.75, 2.5, 3.25]) {
            assert!((got - want).abs() < 1e-12, "{quartiles:?}");
        }
        assert_eq!(Times::of(&[0.005]).upper_ms, 5.0);
        assert_eq!(Times::of(&[]), Times::default());
    }

    #[test]
    fn rates_are_billions_per_second() {
        assert_eq!(Times::of(&[0.002]).rate(30_000_000), 15.0);
        assert_eq!(Times::default().rate(1), 0.0);
    }
}
