//! Faults applied to a stored layer on the host, and the record of what they changed.

use super::{FaultMap, Place, Quantized};
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// Counts of bits that read differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flips {
    /// Bits in all positions.
    pub total: u64,
    /// Per bit position of the stored weight, the lowest first.
    pub per_bit: [u64; 8],
}

impl Flips {
    /// The flips of one word's XOR mask.
    pub fn of(mask: u32) -> Self {
        let mut per_bit = [0; 8];
        for (bit, count) in per_bit.iter_mut().enumerate() {
            *count = u64::from((mask & 0x0101_0101 << bit).count_ones());
        }
        Self { total: u64::from(mask.count_ones()), per_bit }
    }
}

impl AddAssign for Flips {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        for (sum, count) in self.per_bit.iter_mut().zip(other.per_bit) {
            *sum += count;
        }
    }
}

impl From<[u32; 8]> for Flips {
    /// Counts per bit position, as the kernel writes them.
    fn from(counts: [u32; 8]) -> Self {
        let per_bit = counts.map(u64::from);
        Self { total: per_bit.iter().sum(), per_bit }
    }
}

/// The layer as it reads with the faults of a map. The caller has to ask whether the layer is one
/// that can fail ([`super::LayerChoice`]).
pub fn inject(layer: &Quantized, map: &FaultMap, place: Place) -> (Quantized, Flips) {
    inject_from(layer, map, place, 0)
}

/// Like [`inject`], for a part of a layer whose first word is word `first_word` of the layer.
pub fn inject_from(
    layer: &Quantized,
    map: &FaultMap,
    place: Place,
    first_word: u32,
) -> (Quantized, Flips) {
    let mut faulty = layer.clone();
    let mut flips = Flips::default();
    for (i, word) in faulty.words.iter_mut().enumerate() {
        let mask = map.xor_mask(place, first_word + i as u32, *word) & layer.stored_bits(i);
        *word ^= mask;
        flips += Flips::of(mask);
    }
    (faulty, flips)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{FaultModel, Faults, quantize};

    fn at(layer: u32) -> Place {
        Place { layer, address: 0 }
    }

    fn layer(len: usize, bits: u32) -> Quantized {
        let w: Vec<f32> = (0..len).map(|i| (i as f32 * 0.7).sin()).collect();
        quantize(&w, bits).unwrap()
    }

    #[test]
    fn the_record_counts_what_changed_and_nothing_else_changes() {
        for (len, bits) in [(1, 8), (2, 3), (4, 8), (5, 2), (1001, 5), (1003, 8)] {
            let clean = layer(len, bits);
            for model in FaultModel::DRAWN {
                let faults = Faults::new(model, 0.4).unwrap();
                let (faulty, flips) = inject(&clean, &faults.map(77).unwrap(), at(1));
                let mut per_bit = [0; 8];
                for (i, (a, b)) in clean.words.iter().zip(&faulty.words).enumerate() {
                    assert_eq!((a ^ b) & !clean.stored_bits(i), 0);
                    for cell in 0..32 {
                        per_bit[cell % 8] += u64::from((a ^ b) >> cell & 1);
                    }
                }
                assert_eq!(flips, Flips { total: per_bit.iter().sum(), per_bit });
                assert!(len < 100 || flips.total > 0);
            }
        }
        let none = Faults::new(FaultModel::Flip, 0.0).unwrap();
        let none = none.map(1).unwrap();
        assert_eq!(inject(&layer(9, 8), &none, at(0)), (layer(9, 8), Flips::default()));
    }

    #[test]
    fn the_effective_rate_is_the_models_and_no_bit_is_favoured() {
        for bits in [8, 4] {
            let clean = layer(60_000, bits);
            // The reference model is left out: its map repeats its rows, so its counts are not
            // binomial.
            for model in [FaultModel::Flip, FaultModel::StuckAt, FaultModel::Asymmetric] {
                let faults = Faults::new(model, 0.02).unwrap();
                let mut flips = Flips::default();
                for seed in 0..3 {
                    flips += inject(&clean, &faults.map(seed).unwrap(), at(0)).1;
                }
                let (p, n) = (faults.flip_rate(0.5), 3.0 * 60_000.0);
                let error = |n: f64| 4.0 * (p * (1.0 - p) / n).sqrt();
                let cells = n * f64::from(bits);
                assert!((flips.total as f64 / cells - p).abs() < error(cells), "{model} {bits}");
                for (bit, &count) in flips.per_bit.iter().enumerate() {
                    let stored = (bit as u32) < bits;
                    let rate = count as f64 / n;
                    assert!(stored && (rate - p).abs() < error(n) || count == 0, "{model} {bit}");
                    assert_eq!(count > 0, stored);
                }
            }
        }
    }

    #[test]
    fn kernel_counts_make_a_record() {
        assert_eq!(Flips::from([1, 0, 2, 0, 0, 0, 0, 3]).total, 6);
        assert_eq!(Flips::of(0x8080_0103).per_bit, [2, 1, 0, 0, 0, 0, 0, 2]);
    }
}
