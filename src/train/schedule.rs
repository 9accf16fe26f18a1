//! Schedules of the learning rate.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How the learning rate changes during a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// The reference code's: times 0.96 after every 500 steps.
    Reference,
    /// Half a cosine down to 0, after a linear warm-up over a twentieth of the run.
    Cosine,
    /// As it is.
    Constant,
}

impl Schedule {
    /// Learning rate of a step (counted from 0) of `steps`.
    pub fn rate(self, base: f64, step: u64, steps: u64) -> f64 {
        let (at, all) = (step as f64, steps.max(1) as f64);
        match self {
            Self::Constant => base,
            Self::Reference => base * 0.96f64.powf((step / 500) as f64),
            Self::Cosine => {
                let warm = (all / 20.0).max(1.0);
                let rise = ((at + 1.0) / warm).min(1.0);
                base * rise * 0.5 * (1.0 + (std::f64::consts::PI * at / all).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_start_and_end_where_they_should() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(Schedule::Reference.rate(1.0, 499, 0), 1.0));
        assert!(near(Schedule::Reference.rate(1.0, 500, 0), 0.96));
        assert!(near(Schedule::Constant.rate(0.3, 77, 100), 0.3));
        assert!(Schedule::Cosine.rate(1.0, 0, 1000) < 0.05);
        assert!(Schedule::Cosine.rate(1.0, 50, 1000) > 0.99);
        assert!(Schedule::Cosine.rate(1.0, 999, 1000) < 1e-4);
    }
}
