//! Faults applied to a stored layer on the host, and the record of what they changed.

use super::{FaultMap, Memory, Place, Quantized};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::ops::AddAssign;

/// Counts of bits that read differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flips {
    /// Bits in all positions.
    pub total: u64,
    /// Per bit position of the stored number, the lowest first; a file has 8 or 16 of them where no higher bit flipped.
    #[serde(serialize_with = "shortest", deserialize_with = "padded")]
    pub per_bit: [u64; MOST],
}

/// Positions of the widest words, those of biases.
const MOST: usize = 32;
/// Numbers of positions that words have.
const WIDTHS: [usize; 3] = [8, 16, MOST];

fn shortest<S: Serializer>(per_bit: &[u64; MOST], to: S) -> Result<S::Ok, S::Error> {
    let fits = |&width: &usize| per_bit[width..].iter().all(|&count| count == 0);
    let width = WIDTHS.into_iter().find(|width| fits(width)).unwrap_or(MOST);
    per_bit[..width].serialize(to)
}

fn padded<'de, D: Deserializer<'de>>(from: D) -> Result<[u64; MOST], D::Error> {
    let mut counts = Vec::<u64>::deserialize(from)?;
    if !WIDTHS.contains(&counts.len()) {
        return Err(de::Error::invalid_length(counts.len(), &"8, 16 or 32 counts"));
    }
    counts.resize(MOST, 0);
    counts.try_into().map_err(|_| de::Error::custom("counts of too many bits"))
}

impl Flips {
    /// The flips of one XOR mask of a word of a memory.
    pub fn of(mask: u32, memory: Memory) -> Self {
        let mut per_bit = [0; MOST];
        for (bit, count) in (0..memory.cells()).zip(&mut per_bit) {
            *count = u64::from((mask & memory.repeated(1 << bit)).count_ones());
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

impl From<&[u32]> for Flips {
    /// Counts per bit position, as the kernel writes them.
    fn from(counts: &[u32]) -> Self {
        let mut per_bit = [0; MOST];
        per_bit.iter_mut().zip(counts).for_each(|(to, &count)| *to = count.into());
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
    let memory = layer.memory();
    for (i, word) in faulty.words.iter_mut().enumerate() {
        let cells = map.faulty_in(memory, place, first_word + i as u32);
        let mask = cells.xor_mask(*word) & layer.stored_bits(i);
        *word ^= mask;
        flips += Flips::of(mask, memory);
    }
    (faulty, flips)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fault::{FaultModel, Faults, FloatFormat, mask, quantize},
        files::StoredWords,
    };

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
            for model in FaultModel::RATED {
                let faults = Faults::new(model, 0.4).unwrap();
                let (faulty, flips) = inject(&clean, &faults.map(77).unwrap(), at(1));
                let mut per_bit = [0; MOST];
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
        assert_eq!(Flips::from(&[1, 0, 2, 0, 0, 0, 0, 3][..]).total, 6);
        let of_bytes = Flips::of(0x8080_0103, Memory::Bytes).per_bit;
        assert_eq!(of_bytes[..9], [2, 1, 0, 0, 0, 0, 0, 2, 0]);
        let of_halves = Flips::of(0x8080_0103, Memory::Halves).per_bit;
        assert_eq!(of_halves[..16], [1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1]);
    }

    /// Journals and messages of networks whose weights are bytes must stay what they were.
    #[test]
    fn a_file_has_eight_counts_or_sixteen() {
        for (flips, text) in [
            (Flips::of(1, Memory::Bytes), r#"{"total":1,"per_bit":[1,0,0,0,0,0,0,0]}"#),
            (
                Flips::of(1 << 15, Memory::Halves),
                r#"{"total":1,"per_bit":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]}"#,
            ),
            (
                Flips::of(1 << 16, Memory::Biases),
                r#"{"total":1,"per_bit":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&flips).unwrap(), text);
            assert_eq!(serde_json::from_str::<Flips>(text).unwrap(), flips);
        }
        for wrong in [7, 17, 33] {
            let text = format!(r#"{{"total":0,"per_bit":{:?}}}"#, vec![0; wrong]);
            assert!(serde_json::from_str::<Flips>(&text).is_err(), "{wrong}");
        }
    }

    #[test]
    fn faults_of_floats_have_cells_of_their_own() {
        let w: Vec<f32> = (0..301).map(|i| (i as f32 * 0.7).sin()).collect();
        let clean = Quantized::from(&StoredWords::floats(&w, FloatFormat::Bf16).unwrap());
        let faults = Faults::new(FaultModel::Flip, 0.3).unwrap();
        let map = faults.stored_as(FloatFormat::Bf16).unwrap().map(5).unwrap();
        let (faulty, flips) = inject(&clean, &map, at(2));
        let mut total = 0;
        for (i, (a, b)) in (0..).zip(clean.words.iter().zip(&faulty.words)) {
            let cells = mask::below(5, [2, i], mask::threshold(0.3), 7);
            assert_eq!(a ^ b, cells & clean.stored_bits(i as usize), "{i}");
            total += u64::from((a ^ b).count_ones());
        }
        assert_eq!(flips.total, total);
        assert!(flips.per_bit[..16].iter().all(|&count| count > 40), "{flips:?}");
    }
}
