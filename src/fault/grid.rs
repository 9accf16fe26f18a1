//! Grids that weights lie on: the multiples of one step that quantisation leaves in a file of floats.

use std::collections::BTreeMap;

/// Most steps that a grid may have on either side of zero: those of eight bits, also with a zero point.
const REACH: u32 = 255;

/// Evidence, in bits, above which weights count as lying on a grid: weights that were never quantised have
/// less, but for a chance of about 2^-64.
const EVIDENCE: f64 = 64.0;

/// Largest value of a weight that counts as a whole number without its scale. From 2^23 on every float is
/// whole.
const LARGEST_WHOLE: f32 = 65_536.0;

/// The grid of a tensor: every weight is a whole number of steps, up to the rounding of floats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Real value of one step.
    pub step: f64,
    /// Steps of the smallest weight; below 0.
    pub least: i32,
    /// Steps of the largest weight; above 0.
    pub most: i32,
}

impl Grid {
    /// The coarsest grid that the weights lie on; `None` where there is none, where the weights are so few that
    /// they may lie on it by chance, or where all weights have the same sign.
    pub fn of(weights: &[f32]) -> Option<Self> {
        // How often each magnitude occurs. The key is its bit pattern, which sorts like the magnitude.
        let mut counts = BTreeMap::new();
        let (mut least, mut most) = (0f32, 0f32);
        for &weight in weights.iter().filter(|weight| **weight != 0.0) {
            *counts.entry(weight.abs().to_bits()).or_insert(0u64) += 1;
            (least, most) = (least.min(weight), most.max(weight));
            if counts.len() > REACH as usize || !weight.is_finite() {
                return None;
            }
        }
        if least == 0.0 || most == 0.0 {
            return None;
        }
        let largest = f64::from(most.max(-least));
        let step = roundings(&counts).into_iter().find_map(|rounding| {
            let grids = (1..=REACH).map(|reach| largest / f64::from(reach));
            grids.into_iter().find(|&step| evidence(&counts, step, rounding) > EVIDENCE)
        })?;
        let steps = |weight: f32| (f64::from(weight) / step).round() as i32;
        Some(Self { step, least: steps(least), most: steps(most) })
    }

    /// Steps from zero to the weight that is farthest from it.
    pub fn reach(&self) -> u32 {
        self.least.unsigned_abs().max(self.most.unsigned_abs())
    }

    /// Bits per word, if the weights are as symmetric quantisation leaves them, which always reaches
    /// `2^(bits - 1) - 1` steps. Words that reach another number of steps have faults, or another origin.
    pub fn clean_bits(&self) -> Option<u32> {
        (2..=8).find(|bits| (1 << (bits - 1)) - 1 == self.reach())
    }

    /// Fewest bits of a word in two's complement that holds every weight.
    pub fn bits(&self) -> u32 {
        let holds = |bits: &u32| {
            let half = 1i64 << (bits - 1);
            i64::from(self.least) >= -half && i64::from(self.most) < half
        };
        (2..=31).find(holds).unwrap_or(32)
    }
}

/// `a 4-bit grid`, for messages.
pub fn bit_grid(bits: u32) -> String {
    format!("{} {bits}-bit grid", if bits == 8 { "an" } else { "a" })
}

/// The largest of the weights, where all of them are whole numbers and not only -1, 0 and 1: words
/// without their scale. `None` for too few of them.
pub fn whole_numbers(weights: &[f32]) -> Option<f32> {
    let mut largest = 0f32;
    let mut count = 0;
    for weight in weights.iter().filter(|weight| **weight != 0.0) {
        if weight.fract() != 0.0 || weight.abs() > LARGEST_WHOLE {
            return None;
        }
        (largest, count) = (largest.max(weight.abs()), count + 1);
    }
    (largest > 1.0 && count >= 8).then_some(largest)
}

/// Relative errors that weights may have from their places on a grid. The first is that of f32: two roundings,
/// and one of the largest weight. Those of f16 and bf16 follow if all weights fit these formats.
fn roundings(counts: &BTreeMap<u32, u64>) -> Vec<f64> {
    let fit = |zeros: u32| counts.keys().all(|bits| bits.trailing_zeros() >= zeros);
    let mut roundings = vec![2f64.powi(-22)];
    if fit(13) {
        roundings.push(2f64.powi(-10)); // f16
    }
    if fit(16) {
        roundings.push(2f64.powi(-7)); // bf16
    }
    roundings
}

/// Bits of evidence that the magnitudes lie on the grid of a step: minus log2 of the chance that continuous
/// weights would. The largest magnitude lies on it by construction, so one occurrence of it is no evidence.
/// Zero if a magnitude is off the grid.
fn evidence(counts: &BTreeMap<u32, u64>, step: f64, rounding: f64) -> f64 {
    let mut bits = 0.0;
    for (&magnitude, &count) in counts {
        let place = f64::from(f32::from_bits(magnitude)) / step;
        let (steps, allowed) = (place.round(), place * rounding);
        if steps < 1.0 || (place - steps).abs() > allowed {
            return 0.0;
        }
        bits -= (2.0 * allowed).min(1.0).log2() * count as f64;
    }
    let largest = 2.0
        * rounding
        * counts
            .last_key_value()
            .map_or(0.0, |(&magnitude, _)| f64::from(f32::from_bits(magnitude)) / step);
    bits + largest.min(1.0).log2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{dequantize, quantize};
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

    /// Weights as they come out of training: bell-shaped, and on no grid.
    fn normals(count: usize, seed: u64) -> Vec<f32> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut sum = || (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
        (0..count).map(|_| (0.05 * sum()) as f32).collect()
    }

    #[test]
    fn quantised_weights_lie_on_the_grid_of_their_bits() {
        for bits in 2..=8 {
            for seed in 0..10 {
                let stored = quantize(&normals(300, seed), bits).unwrap();
                let grid = Grid::of(&dequantize(&stored)).unwrap();
                assert_eq!(grid.clean_bits(), Some(bits), "seed {seed}: {grid:?}");
                assert!((grid.step / f64::from(stored.scale()) - 1.0).abs() < 1e-6, "{grid:?}");
                assert!(grid.bits() <= bits);
            }
        }
    }

    #[test]
    fn weights_that_were_never_quantised_lie_on_none() {
        for count in [1, 2, 4, 9, 27, 100, 432, 5000] {
            for seed in 0..10 {
                assert_eq!(Grid::of(&normals(count, seed)), None, "{count} weights, seed {seed}");
            }
        }
        // Pruned weights: their zeros are no evidence.
        let pruned: Vec<f32> =
            normals(432, 1).iter().map(|w| if w.abs() < 0.1 { 0.0 } else { *w }).collect();
        assert_eq!(Grid::of(&pruned), None);
        for same in [&[0.25; 99][..], &[0.0; 99], &[f32::INFINITY, -1.0], &[]] {
            assert_eq!(Grid::of(same), None, "{same:?}");
        }
        // Too few weights to exclude chance.
        assert_eq!(Grid::of(&[0.5, -0.25, 0.25]), None);
    }

    #[test]
    fn half_precision_hides_no_grid() {
        for seed in 0..5 {
            let stored = dequantize(&quantize(&normals(600, seed), 8).unwrap());
            let f16: Vec<f32> = stored
                .iter()
                .map(|w| f32::from_bits((w.to_bits() + 0xfff + (w.to_bits() >> 13 & 1)) & !0x1fff))
                .collect();
            assert_eq!(Grid::of(&f16).and_then(|grid| grid.clean_bits()), Some(8), "{seed}");
            // Floats in half precision are on no grid either.
            let floats = normals(600, seed);
            let bf16: Vec<f32> =
                floats.iter().map(|w| f32::from_bits(w.to_bits() & !0xffff)).collect();
            assert_eq!(Grid::of(&bf16), None, "{seed}");
        }
    }

    #[test]
    fn words_with_faults_are_on_a_grid_that_no_clean_word_has() {
        for seed in 0..10 {
            let mut stored = quantize(&normals(400, seed), 8).unwrap();
            // The sign bit of a zero: -128.
            let zero = stored.steps().iter().position(|&q| q == 0).unwrap();
            stored.words[zero / 4] ^= 0x80 << (8 * (zero % 4));
            let grid = Grid::of(&dequantize(&stored)).unwrap();
            assert_eq!((grid.least, grid.clean_bits(), grid.bits()), (-128, None, 8));
        }
    }

    #[test]
    fn whole_numbers_lack_their_scale() {
        let words: Vec<f32> =
            quantize(&normals(99, 1), 8).unwrap().steps().into_iter().map(|q| q as f32).collect();
        assert_eq!(whole_numbers(&words), Some(127.0));
        assert_eq!(
            whole_numbers(&words.iter().map(|w| w + 128.0).collect::<Vec<_>>()),
            Some(255.0)
        );
        let halves: Vec<f32> = words.iter().map(|w| w / 2.0).collect();
        let binary: Vec<f32> = words.iter().map(|w| w.signum()).collect();
        for not in [&halves[..], &binary, &[0.0; 9], &[5.0, 3.0], &[3e38; 20], &[]] {
            assert_eq!(whole_numbers(not), None, "{not:?}");
        }
    }
}
