//! The map from a seed to faulty cells: `docs/fault-format.md`.

use super::{Memory, philox4x32_10};

/// Version of the map from seed to cells of weights of a byte each; a change of a single cell is a new version.
pub const FORMAT_VERSION: u32 = 1;
/// Version of the map to the cells of every other memory ([`Memory`]), which version 1 does not have.
pub(super) const OTHER_MEMORIES: u32 = 2;

/// Streams of a memory, counted from its first.
const CELLS: u32 = 0;
const POLARITY: u32 = 1;
const LOT: u32 = 2;

/// `floor(ber 2^32)`: a cell is faulty when its 32-bit uniform is below.
///
/// `ber` must be in [0, 1), as [`super::Faults`] checks: 2^32 itself has no room in a word.
pub fn threshold(ber: f64) -> u32 {
    // A power of two scales exactly, and `as` truncates.
    (ber * 4_294_967_296.0) as u32
}

/// The smallest rate that draws cells, 2^-32, in words.
pub(super) const LEAST: &str = "2.33e-10";

/// Whether a rate, or a share, is above 0 but so small that no uniform is below it.
pub(super) fn draws_nothing(p: f64) -> bool {
    p > 0.0 && threshold(p) == 0
}

/// Which of the 32 cells of one stored word are faulty (cell = 8 weight + bit).
///
/// `layer` counts all faultable layers in `state_dict` order, `word` the packed words of the layer.
/// Cells of bits that are not stored (b < 8) and of weights past the end are drawn like any other:
/// the caller masks them out.
pub fn faulty_cells(seed: u64, layer: u32, word: u32, threshold: u32) -> u32 {
    faulty_in(Memory::Bytes, seed, [layer, word], threshold)
}

/// The same of a word of any memory, whose number and that of its layer are `[layer, word]`.
pub(super) fn faulty_in(memory: Memory, seed: u64, at: [u32; 2], threshold: u32) -> u32 {
    below(seed, at, threshold, memory.stream() + CELLS)
}

/// Which of the 32 cells follow the seed of their lot: those whose uniform is below `cut`, or all if `cut` is
/// `u32::MAX`.
pub(super) fn lot_cells(memory: Memory, lot_seed: u64, at: [u32; 2], cut: u32) -> u32 {
    if cut == u32::MAX { u32::MAX } else { below(lot_seed, at, cut, memory.stream() + LOT) }
}

/// Which of the 32 cells have a uniform below the threshold. Draw d holds bit 31 - d of all 32 uniforms, which
/// are compared from the highest bit on, for only as long as a cell is undecided.
pub(super) fn below(seed: u64, [layer, word]: [u32; 2], threshold: u32, stream: u32) -> u32 {
    let (mut faulty, mut undecided) = (0, u32::MAX);
    let mut draws = [0; 4];
    for d in 0..32 {
        // From here on the threshold has only zeros: an undecided uniform is not below it.
        if undecided == 0 || threshold << d == 0 {
            break;
        }
        if d % 4 == 0 {
            draws = draw(seed, [word, layer, d / 4, stream]);
        }
        let bits = draws[(d % 4) as usize];
        if (threshold << d) >> 31 == 1 {
            faulty |= undecided & !bits;
            undecided &= bits;
        } else {
            undecided &= !bits;
        }
    }
    faulty
}

/// What each of the 32 cells reads when it is stuck: bit set = 1.
pub fn polarity(seed: u64, layer: u32, word: u32) -> u32 {
    polarity_in(Memory::Bytes, seed, [layer, word])
}

/// The same of a word of any memory.
pub(super) fn polarity_in(memory: Memory, seed: u64, [layer, word]: [u32; 2]) -> u32 {
    draw(seed, [word, layer, 0, memory.stream() + POLARITY])[0]
}

pub(super) fn draw(seed: u64, counter: [u32; 4]) -> [u32; 4] {
    philox4x32_10(counter, [seed as u32, (seed >> 32) as u32])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 0x0123_4567_89ab_cdef;

    /// The definition without bit slicing: cell j's uniform, compared as a number.
    fn uniforms(seed: u64, layer: u32, word: u32) -> [u32; 32] {
        let mut u = [0; 32];
        for block in 0..8 {
            for (lane, bits) in draw(seed, [word, layer, block, CELLS]).into_iter().enumerate() {
                for (j, u) in u.iter_mut().enumerate() {
                    *u |= (bits >> j & 1) << (31 - (4 * block + lane as u32));
                }
            }
        }
        u
    }

    #[test]
    fn a_cell_is_faulty_exactly_when_its_uniform_is_below_the_threshold() {
        for word in 0..200 {
            let u = uniforms(SEED, 3, word);
            // At a uniform itself, one below and one above: the last bit decides.
            let near = [u[5], u[5].saturating_add(1), u[31], u[31].saturating_sub(1)];
            for t in [0, 1, 42_949_672, 1 << 31, 3 << 30, 0x7fff_ffff, u32::MAX].iter().chain(&near)
            {
                let want = (0..32).filter(|&j| u[j] < *t).fold(0u32, |m, j| m | 1 << j);
                assert_eq!(faulty_cells(SEED, 3, word, *t), want, "word {word}, threshold {t}");
            }
        }
    }

    #[test]
    fn masks_are_nested_as_the_rate_grows() {
        let rates = [1e-5, 1e-4, 0.001, 0.005, 0.01, 0.0100001, 0.1, 0.5, 0.9, 1.0 - 1e-12];
        for word in 0..500 {
            let masks = rates.map(|ber| faulty_cells(SEED, 0, word, threshold(ber)));
            for pair in masks.windows(2) {
                assert_eq!(pair[0] & !pair[1], 0);
            }
        }
        assert_eq!(faulty_cells(SEED, 0, 0, 0), 0);
    }

    #[test]
    fn the_threshold_is_the_floor() {
        assert_eq!(threshold(0.0), 0);
        assert_eq!(threshold(2f64.powi(-33)), 0);
        assert_eq!(threshold(2f64.powi(-32)), 1);
        assert_eq!(threshold(0.01), 42_949_672); // 42949672.96
        assert_eq!(threshold(0.5), 1 << 31);
        assert_eq!(threshold(1.0 - f64::EPSILON / 2.0), u32::MAX);
    }

    /// Hits per bit position of 32 cells, over words, layers and seeds: 32 numbers from one binomial.
    #[test]
    fn no_cell_is_favoured_and_the_rate_is_the_one_asked_for() {
        for ber in [0.01, 0.3] {
            let mut hits = [0u64; 32];
            let mut trials = 0.0;
            for (seed, layer) in [(0, 0), (1, 0), (50_000, 7), (u64::MAX, 19)] {
                for word in 0..5_000 {
                    let mask = faulty_cells(seed, layer, word, threshold(ber));
                    for (j, hits) in hits.iter_mut().enumerate() {
                        *hits += u64::from(mask >> j & 1);
                    }
                    trials += 1.0;
                }
            }
            let error = (ber * (1.0 - ber) / trials).sqrt();
            for (j, &hits) in hits.iter().enumerate() {
                let rate = hits as f64 / trials;
                assert!((rate - ber).abs() < 4.5 * error, "cell {j}: {rate}, asked {ber}");
            }
            let rate = hits.iter().sum::<u64>() as f64 / trials / 32.0;
            assert!((rate - ber).abs() < 4.0 * error / 32f64.sqrt(), "{rate}, asked {ber}");
        }
    }

    /// Two independent maps have ber^2 of the cells in common.
    #[test]
    fn seeds_layers_words_and_streams_are_independent() {
        let map = |seed: u64, layer, from: u32| -> Vec<u32> {
            (from..from + 5_000).map(|w| faulty_cells(seed, layer, w, threshold(0.1))).collect()
        };
        let polarity: Vec<u32> = (0..5_000).map(|w| polarity(1, 0, w)).collect();
        let first = map(1, 0, 0);
        let others = [
            (map(2, 0, 0), 0.1),
            (map(1 << 32, 0, 0), 0.1),
            (map(1, 1, 0), 0.1),
            (map(1, 0, 5_000), 0.1),
            (polarity, 0.5),
        ];
        for (i, (other, rate)) in others.iter().enumerate() {
            let both: u32 = first.iter().zip(other).map(|(a, b)| (a & b).count_ones()).sum();
            let (p, n): (f64, f64) = (0.1 * rate, 160_000.0);
            let error = (p * (1.0 - p) / n).sqrt();
            assert!((f64::from(both) / n - p).abs() < 4.0 * error, "pair {i}: {both}");
        }
    }
}
