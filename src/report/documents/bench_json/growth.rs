//! How the time and the memory of a step grow with one quantity.

use serde::{Deserialize, Serialize};

use super::Times;

/// A step at several numbers of one quantity, the rest being as usual.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// The step in words, such as `ConvS before ResNet-20`.
    pub step: String,
    /// The quantity, such as `images of a batch`.
    pub quantity: String,
    /// Its number in the steps in which other quantities grow.
    pub usual: u32,
    /// The measured steps, by rising numbers.
    pub points: Vec<GrowthPoint>,
    /// The power of the number that fits the median times; absent with fewer than two numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<PowerLaw>,
    /// The power that fits the bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<PowerLaw>,
}

/// A step at one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GrowthPoint {
    /// The number.
    pub number: u32,
    /// Wall-clock times of one step in a sequence of steps.
    #[serde(flatten)]
    pub times: Times,
    /// Bytes of the step's buffers on the device: activations, weights, masks.
    pub bytes: u64,
}

/// `value = factor * number ^ exponent`, by least squares of the logarithms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PowerLaw {
    /// The power: 1 where twice the number takes twice as much.
    pub exponent: f64,
    /// The largest ratio between a measured value and the fitted one, either way; 1 for a perfect fit. Absent for two
    /// values, which any power fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<f64>,
}

impl PowerLaw {
    /// The law that fits pairs of positive values; `None` unless two numbers differ.
    pub fn fit(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Self> {
        let usable = |&(x, y): &(f64, f64)| x > 0.0 && y > 0.0 && x.is_finite() && y.is_finite();
        let logs: Vec<(f64, f64)> =
            pairs.into_iter().filter(usable).map(|(x, y)| (x.ln(), y.ln())).collect();
        let n = logs.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / n;
        let (x, y) = (mean(|p| p.0), mean(|p| p.1));
        let spread: f64 = logs.iter().map(|p| (p.0 - x).powi(2)).sum();
        if logs.len() < 2 || spread == 0.0 {
            return None;
        }
        let exponent = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / spread;
        let off = logs.iter().map(|p| (p.1 - y - exponent * (p.0 - x)).abs());
        let off = off.fold(0.0, f64::max).exp();
        Some(Self { exponent, off: (logs.len() > 2).then_some(off) })
    }
}

impl Growth {
    /// The points of a step's quantity and its usual number, with the laws that fit them.
    pub fn of(step: &str, (quantity, usual): (&str, u32), points: Vec<GrowthPoint>) -> Self {
        let law = |value: fn(&GrowthPoint) -> f64| {
            PowerLaw::fit(points.iter().map(|p| (f64::from(p.number), value(p))))
        };
        let (time, memory) = (law(|p| p.times.median_ms), law(|p| p.bytes as f64));
        Self { step: step.to_owned(), quantity: quantity.to_owned(), usual, points, time, memory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_is_found_and_what_departs_from_it_is_said() {
        let law = PowerLaw::fit([(1.0, 3.0), (2.0, 12.0), (4.0, 48.0)]).unwrap();
        assert!(
            (law.exponent - 2.0).abs() < 1e-12 && (law.off.unwrap() - 1.0).abs() < 1e-12,
            "{law:?}"
        );
        // The middle of three lies above the line through the outer ones.
        let law = PowerLaw::fit([(1.0, 1.0), (2.0, 2.0 * 1.5f64.powi(3)), (4.0, 4.0)]).unwrap();
        assert!(
            (law.exponent - 1.0).abs() < 1e-12 && (law.off.unwrap() - 2.25).abs() < 1e-12,
            "{law:?}"
        );
        assert_eq!(
            PowerLaw::fit([(1.0, 2.0), (2.0, 2.0)]),
            Some(PowerLaw { exponent: 0.0, off: None })
        );
        for few in [&[(2.0, 1.0)][..], &[(2.0, 1.0), (2.0, 3.0)], &[(2.0, 1.0), (4.0, 0.0)], &[]] {
            assert_eq!(PowerLaw::fit(few.iter().copied()), None, "{few:?}");
        }
    }
}
