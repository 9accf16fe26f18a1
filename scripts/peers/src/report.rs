//! Reports of `nf-gpu bench`: what is read of ours, and the times that are written.

use crate::{
    Outcome,
    convolution::{Convolution, Pass},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{collections::HashSet, fs, time::Duration};

/// What is read of our report.
#[derive(Deserialize)]
pub struct Ours {
    pub adapter: Adapter,
    /// How it was measured, as it is: theirs is measured the same way.
    #[serde(default)]
    pub settings: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
pub struct Adapter {
    pub name: String,
    pub backend: String,
    #[serde(default)]
    pub kind: String,
}

#[derive(Deserialize)]
pub struct Case {
    pub kernel: String,
    pub case: String,
    pub shape: String,
    pub flops: u64,
    pub bytes: u64,
    #[serde(default)]
    pub networks: Vec<String>,
}

impl Ours {
    pub fn load(path: &str) -> Outcome<Self> {
        let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
        let ours: Self = serde_json::from_str(&text).map_err(|e| {
            format!(
                "{path}: {e}\n  hint: make one with `nf-gpu bench --kernel 'conv2d*' --out FILE`"
            )
        })?;
        Ok(ours)
    }

    /// The distinct cases of convolutions.
    pub fn wanted(&self) -> impl Iterator<Item = &Case> {
        let mut seen = HashSet::new();
        let of_convolutions = self.cases.iter().filter(|c| c.kernel.starts_with("conv2d"));
        of_convolutions.filter(move |c| seen.insert((&c.case, &c.shape)))
    }

    /// Time for the repeats of one case, and their least number.
    pub fn effort(&self) -> (Duration, usize) {
        let ms = self.settings["kernel_ms"].as_u64().unwrap_or(600);
        let samples = self.settings["samples"].as_u64().unwrap_or(5);
        (Duration::from_millis(ms), usize::try_from(samples).unwrap_or(usize::MAX))
    }
}

impl Case {
    /// The case as a plain convolution in f32, if it is one but for what is fused into it.
    pub fn parse(&self) -> Option<(Convolution, Pass)> {
        Some((Convolution::parse(&self.shape)?, Pass::of_role(&self.case)?))
    }

    pub fn is_fused(&self) -> bool {
        self.case.ends_with(", fused")
    }
}

/// Fastest time and quartiles, as `nf-gpu bench` has them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    samples: usize,
    min_ms: f64,
    lower_ms: f64,
    pub median_ms: f64,
    upper_ms: f64,
}

impl Times {
    /// Statistics of at least one time in seconds; quartiles are interpolated linearly.
    pub fn of(seconds: &[f64]) -> Self {
        let mut ms: Vec<f64> = seconds.iter().map(|s| 1e3 * s).collect();
        ms.sort_by(f64::total_cmp);
        let at = |quarters: usize| {
            let place = (ms.len() - 1) * quarters;
            let (low, high) = (ms[place / 4], ms[(place / 4 + 1).min(ms.len() - 1)]);
            low + (place % 4) as f64 / 4.0 * (high - low)
        };
        let [min_ms, lower_ms, median_ms, upper_ms] = [0, 1, 2, 3].map(at);
        Self { samples: ms.len(), min_ms, lower_ms, median_ms, upper_ms }
    }

    /// Billions per second at the median, where one repeat does `work`.
    pub fn rate(self, work: u64) -> f64 {
        work as f64 / self.median_ms / 1e6
    }

    pub fn fields(self) -> Map<String, Value> {
        let Self { samples, min_ms, lower_ms, median_ms, upper_ms } = self;
        let names = ["samples", "min_ms", "lower_ms", "median_ms", "upper_ms"];
        let values =
            [json!(samples), json!(min_ms), json!(lower_ms), json!(median_ms), json!(upper_ms)];
        names.map(str::to_owned).into_iter().zip(values).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_those_of_nf_gpu() {
        let Times { samples, min_ms, lower_ms, median_ms, upper_ms } =
            Times::of(&[4e-3, 1e-3, 3e-3, 2e-3]);
        assert_eq!(samples, 4);
        for (got, want) in
            [min_ms, lower_ms, median_ms, upper_ms].into_iter().zip([1.0, 1.75, 2.5, 3.25])
        {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
        assert_eq!(Times::of(&[5e-3]).upper_ms, 5.0);
    }
}
