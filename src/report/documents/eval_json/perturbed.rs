//! Measurements under one fault model at one rate: a value per fault map, and their statistics.

use crate::fault::Description;
use serde::{Deserialize, Serialize};

/// Accuracies under one fault model at one rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Perturbed {
    /// The faults.
    #[serde(flatten)]
    pub faults: Description,
    /// The seed of each fault map; a measured map counts as a single one with seed 0.
    pub seeds: Vec<u64>,
    /// PA: perturbed network.
    pub accuracy: Spread,
    /// PA(NF): perturbed network behind the generator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_nf: Option<Spread>,
    /// RP = PA(NF) - PA, in percentage points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<f64>,
    /// Bits that the faults changed.
    pub flipped_bits: FlippedBits,
    /// Answers per class over all maps, on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassCounts>,
    /// Answers per class over all maps behind the generator, on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes_nf: Option<ClassCounts>,
    /// Bits of quantised activations that the faults changed, without the generator: of all images of a map; absent where
    /// none can fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flipped_activation_bits: Option<FlippedBits>,
    /// Bits of biases that the faults changed; absent where none can fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flipped_bias_bits: Option<FlippedBits>,
    /// Supply voltage, relative to the nominal one, if the user gave it (`--voltage`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voltage: Option<f64>,
    /// Energy, if the voltage is known: the user gave it, or an operating point has this rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<super::Energy>,
}

impl Perturbed {
    /// Makes an entry from accuracies per seed.
    pub fn new(
        faults: Description,
        seeds: &[u64],
        accuracy: &[f64],
        accuracy_nf: Option<&[f64]>,
        flipped_bits: FlippedBits,
    ) -> Self {
        let accuracy = Spread::of(accuracy);
        let accuracy_nf = accuracy_nf.map(Spread::of);
        let recovery = accuracy_nf.as_ref().map(|nf| nf.mean - accuracy.mean);
        Self {
            faults,
            seeds: seeds.to_vec(),
            accuracy,
            accuracy_nf,
            recovery,
            flipped_bits,
            ..Self::default()
        }
    }

    /// Probability that a cell is faulty. For `asymmetric` it is the mean of the two rates; for a measured
    /// map it is the map's share of faulty cells.
    pub fn ber(&self) -> f64 {
        self.faults.ber()
    }
}

/// A value per seed, and their statistics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean; 0 without values.
    pub mean: f64,
    /// Population standard deviation (divided by n, as the paper's); 0 without values.
    pub std: f64,
    /// 95 % interval of the mean (Student's t with the sample deviation), rounded to two decimals and limited
    /// to 0 to 100; absent for fewer than two values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The values, in the order of the seeds.
    pub each: Vec<f64>,
}

impl Spread {
    /// Statistics of `each`, which are values in per cent.
    pub fn of(each: &[f64]) -> Self {
        let n = each.len().max(1) as f64;
        let mean = each.iter().sum::<f64>() / n;
        let variance = each.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let interval = (each.len() > 1).then(|| {
            // With the sample deviation s, s / sqrt(n) equals the population deviation / sqrt(n -
            // 1).
            let half = student_t(each.len() - 1) * (variance / (n - 1.0)).sqrt();
            [mean - half, mean + half].map(|v| (v.clamp(0.0, 100.0) * 100.0).round() / 100.0)
        });
        Self { mean, std: variance.sqrt(), interval, each: each.to_vec() }
    }
}

/// The 97.5 % point of Student's t with `df` degrees of freedom.
fn student_t(df: usize) -> f64 {
    // Exact values, rounded, for degrees of freedom where the expansion below is off by more than
    // 0.1 %.
    const FEW: [f64; 6] = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469];
    if let Some(&t) = FEW.get(df.wrapping_sub(1)) {
        return t;
    }
    // Cornish-Fisher (Abramowitz and Stegun 26.7.5).
    let (z, n) = (1.959_963_985f64, df as f64);
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
    ];
    z + terms[0] / n + terms[1] / n.powi(2) + terms[2] / n.powi(3)
}

/// Stored bits that the faults changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlippedBits {
    /// Share of all stored bits, a mean over the seeds.
    pub mean_rate: f64,
    /// Number of changed bits, per seed.
    pub each: Vec<u64>,
    /// Number of changed bits at bit 0 (least significant), 1, ... of the stored weight, over all seeds.
    pub per_bit: Vec<u64>,
    /// Number of changed bits per layer, over all seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_layer: Vec<LayerFlips>,
}

/// Changed bits of one layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFlips {
    /// Name of the layer's weights.
    pub name: String,
    /// Number of bits that the layer stores.
    pub stored_bits: u64,
    /// Bits of each of its words, where they are not the evaluation's precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word_bits: Option<u32>,
    /// Bits that the faults changed, over all seeds.
    pub flips: u64,
}

impl FlippedBits {
    /// Makes an entry from counts: `cells` stored bits in the network, and changed bits per seed and per
    /// position.
    pub fn new(cells: u64, each: &[u64], per_bit: &[u64]) -> Self {
        let all = cells as f64 * each.len() as f64;
        let mean_rate = if all > 0.0 { each.iter().sum::<u64>() as f64 / all } else { 0.0 };
        Self { mean_rate, each: each.to_vec(), per_bit: per_bit.to_vec(), per_layer: Vec::new() }
    }
}

/// Answers per class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassCounts {
    /// Accuracy of each class, in per cent; null for a class without images.
    pub accuracy: Vec<Option<f64>>,
    /// `[class][answer]`: number of images of a class that got an answer; on request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<u64>>,
}

impl ClassCounts {
    /// Counts and accuracies from a matrix `[class][answer]`.
    pub fn new(confusion: Vec<Vec<u64>>) -> Self {
        let accuracy = |(class, row): (usize, &Vec<u64>)| {
            let images = row.iter().sum();
            (images > 0).then(|| super::percent(row.get(class).copied().unwrap_or(0), images))
        };
        Self { accuracy: confusion.iter().enumerate().map(accuracy).collect(), confusion }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        // Reference values from R: qt(0.975, c(1, 6, 7, 9, 19, 99, 1000)).
        for (df, t) in [
            (1, 12.7062),
            (6, 2.4469),
            (7, 2.3646),
            (9, 2.2622),
            (19, 2.0930),
            (99, 1.9842),
            (1000, 1.9623),
        ] {
            assert!((student_t(df) - t).abs() < 2e-3 * t, "{df}: {}", student_t(df));
        }
        // The mean is 46 and the sample deviation 9.6609: 46 +- 2.2622 * 9.6609 / sqrt(10).
        let each: Vec<f64> = [31, 36, 41, 44, 45, 47, 48, 52, 56, 60].map(f64::from).to_vec();
        let [low, high] = Spread::of(&each).interval.unwrap();
        let sample = (each.iter().map(|v| (v - 46.0f64).powi(2)).sum::<f64>() / 9.0).sqrt();
        let half = 2.2622 * sample / 10f64.sqrt();
        assert!((low - (46.0 - half)).abs() < 0.02 && (high - (46.0 + half)).abs() < 0.02);
        assert_eq!((Spread::of(&[3.0]).interval, Spread::of(&[]).interval), (None, None));
    }

    #[test]
    fn a_class_is_right_on_the_diagonal() {
        let counts = ClassCounts::new(vec![vec![3, 1], vec![0, 0]]);
        assert_eq!(counts.accuracy, [Some(75.0), None]);
    }
}
