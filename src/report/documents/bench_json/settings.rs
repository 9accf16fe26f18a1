//! The settings of a measurement, and signs that it is doubtful.

use serde::{Deserialize, Serialize};

use super::{Ceiling, Times};

/// The settings that numbers depend on, besides the adapter and the program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Whether `--quick` was given: few cases, small batches and few repeats.
    pub quick: bool,
    /// The requested kernels, a name or a glob; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// The requested cases of kernels, a glob over their shapes; absent for all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub case: Option<String>,
    /// The requested steps; absent for the usual ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<String>,
    /// Images of a batch of the kernels.
    pub batch_size: u32,
    /// Images of a batch of the steps.
    pub step_batch_size: u32,
    /// Perturbed copies of a step.
    pub copies: u32,
    /// Precision of the steps' operands, `f32` or `f16`.
    pub dtype: String,
    /// Milliseconds for the repeats of a kernel or ceiling. A software adapter gives a variant that networks do not use
    /// a quarter, and at least one repeat.
    pub kernel_ms: u64,
    /// Milliseconds for the repeats of a step.
    pub step_ms: u64,
    /// Minimum number of repeats.
    pub samples: usize,
}

impl Settings {
    /// Names and values of the settings that must agree for two reports to be compared. The requested kernels
    /// and steps need not: what only one report has stands alone.
    pub(crate) fn comparable(&self) -> [(&'static str, String); 5] {
        [
            ("effort", if self.quick { "--quick" } else { "full" }.to_owned()),
            ("batch of kernels", self.batch_size.to_string()),
            ("batch of steps", self.step_batch_size.to_string()),
            ("copies", self.copies.to_string()),
            ("dtype", self.dtype.clone()),
        ]
    }
}

/// If the lower of the rates of a ceiling, before and after everything else, is at least this share of the higher
/// one, the machine counts as at rest.
const STEADY_RATES: f64 = 0.9;
/// If the fastest repeat takes at least this share of the median, it counts so too. Single repeats differ more than
/// medians do.
const STEADY_REPEATS: f64 = 0.8;

impl Ceiling {
    /// A reason to doubt the ceiling: its times vary more than on a machine at rest.
    pub fn doubt(&self) -> Option<String> {
        let (low, high) = self
            .rates
            .iter()
            .fold((f64::MAX, 0.0f64), |(low, high), &rate| (low.min(rate), high.max(rate)));
        let (name, unit) = (&self.name, &self.unit);
        if self.rates.len() > 1 && low < STEADY_RATES * high {
            let rates: Vec<String> = self.rates.iter().map(|rate| format!("{rate:.1}")).collect();
            let rates = rates.join(" and then ");
            return Some(format!("the ceiling {name} was {rates} {unit}: {BUSY}"));
        }
        let Times { min_ms, median_ms, .. } = self.times;
        (min_ms < STEADY_REPEATS * median_ms).then(|| {
            format!(
                "the fastest repeat of the ceiling {name} took {min_ms:.1} ms, the median {median_ms:.1} ms: \
                 {BUSY}"
            )
        })
    }
}

/// The conclusion of every doubt.
const BUSY: &str = "something else used the machine; measure again when it is at rest";

#[cfg(test)]
mod tests {
    use super::*;

    fn ceiling(rates: &[f64], [min_ms, median_ms]: [f64; 2]) -> Ceiling {
        let times = Times { min_ms, median_ms, ..Times::default() };
        let (name, unit) = ("copy".into(), "GB/s".into());
        Ceiling { name, unit, rates: rates.to_vec(), times, ..Ceiling::default() }
    }

    #[test]
    fn a_ceiling_that_moves_is_doubted() {
        for steady in [&[10.0, 9.1][..], &[9.1, 10.0], &[10.0], &[]] {
            assert_eq!(ceiling(steady, [20.0, 22.0]).doubt(), None, "{steady:?}");
        }
        for rates in [[10.0, 8.9], [8.9, 10.0]] {
            let doubt = ceiling(&rates, [20.0, 22.0]).doubt().unwrap();
            assert!(doubt.contains("8.9") && doubt.contains("GB/s"), "{doubt}");
        }
        let doubt = ceiling(&[10.0, 10.0], [20.0, 44.0]).doubt().unwrap();
        assert!(doubt.contains("20.0 ms, the median 44.0 ms"), "{doubt}");
        assert_eq!(ceiling(&[], [0.0, 0.0]).doubt(), None);
    }
}
