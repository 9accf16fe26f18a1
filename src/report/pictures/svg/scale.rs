//! Maps values to positions along an axis, and chooses round numbers for the axis.

use crate::words;

/// A range of values along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// Equal distances mean equal differences.
    Linear {
        /// Value at the start.
        low: f64,
        /// Value at the end.
        high: f64,
    },
    /// Equal distances mean equal ratios; both ends are positive.
    Log {
        /// Value at the start.
        low: f64,
        /// Value at the end.
        high: f64,
    },
}

impl Scale {
    /// A linear scale from and to round numbers around `values`, within `limits`. Values that are not finite
    /// are ignored; without any value the scale covers the limits, or 0 to 1.
    pub(crate) fn linear(values: impl IntoIterator<Item = f64>, limits: [f64; 2]) -> Self {
        let Some((low, high)) = extremes(values) else {
            let finite = limits[0].is_finite() && limits[1].is_finite();
            let [low, high] = if finite { limits } else { [0.0, 1.0] };
            return Self::Linear { low, high };
        };
        // A single value needs room as well.
        let room = if high > low { 0.0 } else { (0.1 * high.abs()).max(0.5) };
        let step = step((high - low + 2.0 * room) / 5.0);
        let low = (((low - room) / step).floor() * step).max(limits[0]);
        let high = (((high + room) / step).ceil() * step).min(limits[1]);
        if low < high { Self::Linear { low, high } } else { Self::Linear { low: 0.0, high: 1.0 } }
    }

    /// The scale for accuracies in per cent. It begins at 0, because otherwise a small difference would look
    /// like a collapse.
    pub(crate) fn accuracy(values: impl IntoIterator<Item = f64>) -> Self {
        Self::linear(values.into_iter().chain([0.0]), [0.0, 100.0])
    }

    /// A scale for rates, logarithmic if they differ by large ratios. A logarithmic scale ignores rates that
    /// are not positive.
    pub(crate) fn rates(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let positive = values.iter().copied().filter(|&v| v > 0.0 && v.is_finite());
        match extremes(positive) {
            Some((low, high)) if high >= 3.0 * low => {
                // Each side gets a margin of 6 % of the range.
                let room = 10f64.powf(0.06 * (high.log10() - low.log10()));
                let low = (low / room).max(f64::MIN_POSITIVE);
                Self::Log { low, high: (high * room).min(f64::MAX) }
            }
            _ => match extremes(values) {
                Some((low, high)) if low < high => {
                    let room = 0.06 * (high - low);
                    Self::Linear { low: (low - room).max(0.0), high: high + room }
                }
                one => Self::linear(one.map(|r| r.0), [0.0, f64::INFINITY]),
            },
        }
    }

    /// Position of a value between the ends, from 0 to 1; values outside are moved to the ends.
    pub(crate) fn at(self, v: f64) -> f64 {
        let share = match self {
            Self::Linear { low, high } => (v - low) / (high - low),
            Self::Log { low, high } => (v.ln() - low.ln()) / (high.ln() - low.ln()),
        };
        share.clamp(0.0, 1.0)
    }

    /// Whether the scale can show a value.
    pub(crate) fn has(self, v: f64) -> bool {
        v.is_finite() && (matches!(self, Self::Linear { .. }) || v > 0.0)
    }

    /// About `wanted` round numbers on the scale, and their texts.
    pub(crate) fn ticks(self, wanted: usize) -> Vec<(f64, String)> {
        match self {
            Self::Linear { low, high } => linear_ticks(low, high, wanted),
            Self::Log { low, high } => log_ticks(low, high, wanted),
        }
    }
}

/// Ticks at the values themselves, if these are few and far enough apart; `values` must be increasing.
pub(crate) fn own_ticks(scale: Scale, values: &[f64]) -> Option<Vec<(f64, String)>> {
    let apart = |w: &[f64]| scale.at(w[1]) - scale.at(w[0]) > 0.07;
    let few = values.len() <= 8 && values.iter().all(|&v| scale.has(v));
    (few && values.windows(2).all(apart))
        .then(|| values.iter().map(|&v| (v, words::short(v))).collect())
}

fn extremes(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let values = values.into_iter().filter(|v| v.is_finite());
    values.fold(None, |so_far, v| {
        let (low, high) = so_far.unwrap_or((v, v));
        Some((v.min(low), v.max(high)))
    })
}

/// The smallest of 1, 2, 5, 10, 20, ... (and 0.5, 0.2, ...) that is not below `rough`.
fn step(rough: f64) -> f64 {
    let rough = if rough.is_finite() && rough > 0.0 { rough } else { 1.0 };
    let power = 10f64.powf(rough.log10().floor());
    // The ratio is lowered slightly, because rounding errors would turn a step of 0.2 into 0.5.
    let ratio = rough / power - 1e-9;
    power * [1.0, 2.0, 5.0].into_iter().find(|&s| s >= ratio).unwrap_or(10.0)
}

fn linear_ticks(low: f64, high: f64, wanted: usize) -> Vec<(f64, String)> {
    let step = step((high - low) / wanted.max(1) as f64);
    let digits = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
    let (first, last) = ((low / step - 1e-6).ceil(), (high / step + 1e-6).floor());
    // More ticks would mean that the step is too small for an f64 of this size.
    let n = (last - first).clamp(0.0, 100.0) as usize;
    (0..=n).map(|i| (first + i as f64) * step).map(|v| (v, words::fixed(v, digits))).collect()
}

fn log_ticks(low: f64, high: f64, wanted: usize) -> Vec<(f64, String)> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    // The most detailed set with few enough numbers is taken: 1-2-5, 1-3, then every 1, 2, 4, ...
    // decades.
    let sets: [&[f64]; 3] = [&[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
    let within = |set: &[f64], every: i32| -> Vec<f64> {
        let decades = decades.clone().filter(|d| d.rem_euclid(every) == 0);
        let all = decades.flat_map(|d| set.iter().map(move |m| m * 10f64.powi(d)));
        all.filter(|v| (low * 0.9999..=high * 1.0001).contains(v)).collect()
    };
    let candidates = sets.iter().map(|set| within(set, 1));
    let coarser = (1..6).map(|e| within(&[1.0], 1 << e));
    let chosen = candidates.chain(coarser).find(|t| t.len() <= wanted).unwrap_or_default();
    chosen.into_iter().map(|v| (v, words::short(v))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: Scale, n: usize) -> Vec<String> {
        scale.ticks(n).into_iter().map(|t| t.1).collect()
    }

    #[test]
    fn ticks_are_round_and_within() {
        let linear = |low, high| Scale::Linear { low, high };
        assert_eq!(texts(linear(0.0, 100.0), 5), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(texts(linear(0.3, 1.0), 5), ["0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(linear(-5.0, 5.0), 4), ["−5", "0", "5"]);
        let log = |low, high| Scale::Log { low, high };
        assert_eq!(texts(log(0.09, 1.2), 6), ["0.1", "0.2", "0.5", "1"]);
        assert_eq!(texts(log(0.001, 10.0), 6), ["0.001", "0.01", "0.1", "1", "10"]);
        assert!(texts(log(1e-12, 1e12), 6).len() <= 6);
        for (value, _) in log(0.09, 1.2).ticks(6) {
            assert!((0.0899..1.2001).contains(&value));
        }
    }

    #[test]
    fn a_scale_ends_at_round_numbers_around_its_values() {
        let limits = [0.0, 100.0];
        assert_eq!(Scale::linear([44.3, 80.7], limits), Scale::Linear { low: 40.0, high: 90.0 });
        assert_eq!(Scale::linear([1.0, 99.9], limits), Scale::Linear { low: 0.0, high: 100.0 });
        assert_eq!(Scale::linear([44.3, 51.9], limits), Scale::Linear { low: 44.0, high: 52.0 });
        let Scale::Linear { low, high } = Scale::linear([50.0], limits) else { panic!() };
        assert!(low < 50.0 && high > 50.0);
        assert_eq!(Scale::accuracy([84.3, 88.9]), Scale::Linear { low: 0.0, high: 100.0 });
        assert_eq!(Scale::accuracy([f64::NAN, 9.3]), Scale::Linear { low: 0.0, high: 10.0 });
        assert_eq!(Scale::linear([f64::NAN], limits), Scale::Linear { low: 0.0, high: 100.0 });
        let unlimited = [0.0, f64::INFINITY];
        assert_eq!(Scale::linear([], unlimited), Scale::Linear { low: 0.0, high: 1.0 });
    }

    #[test]
    fn rates_that_differ_by_ratios_are_logarithmic() {
        assert!(matches!(Scale::rates([0.35, 0.5, 1.5]), Scale::Log { .. }));
        assert!(matches!(Scale::rates([0.5, 1.0]), Scale::Linear { .. }));
        assert!(matches!(Scale::rates([0.0, 0.1, 1.0]), Scale::Log { .. }));
        assert!(matches!(Scale::rates([]), Scale::Linear { .. }));
        let scale = Scale::rates([0.1, 10.0]);
        assert!((scale.at(1.0) - 0.5).abs() < 1e-9 && !scale.has(0.0) && scale.has(0.1));
        assert_eq!((scale.at(1e9), scale.at(1e-9)), (1.0, 0.0));
    }

    #[test]
    fn extreme_values_make_no_endless_axis() {
        for values in
            [[1e300, -1e300], [1e16, 1e16 + 2.0], [1e-300, 2e-300], [5e-324, 0.0], [5e-324, 1e300]]
        {
            let scale = Scale::linear(values, [f64::NEG_INFINITY, f64::INFINITY]);
            assert!(scale.ticks(6).len() < 20, "{values:?}: {scale:?}");
            assert!(Scale::rates(values).ticks(6).len() < 20, "{values:?}");
        }
    }
}
