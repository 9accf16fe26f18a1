//! The memory of the paper's code, cell by cell: NumPy's Mersenne Twister, one array of 8192 rows of
//! 128 cells, and its way of laying weights on it.
//!
//! What that code does, and why it is odd (16-fold repeated rows, layers that share one pattern),
//! stands in `docs/fault-format.md`.

use super::{CellMap, MAX_SEED, Mapping, cells::ROW_WORDS};
use crate::error::{Error, Result};
use rand_mt::Mt;

const ROWS: u32 = 8192;
/// Words of a map, of 32 cells each.
pub const CELL_MAP_WORDS: u32 = ROWS * ROW_WORDS;
/// Training steps of the reference code have seeds from 0 to this number.
const LAST_TRAINING_SEED: u64 = 30_000;

impl CellMap {
    /// The seed as the reference code would take it.
    pub(super) fn check_seed(seed: u64) -> Result<u32> {
        let seed = if seed > MAX_SEED { seed % (LAST_TRAINING_SEED + 1) } else { seed };
        u32::try_from(seed).ok().filter(|&s| s < u32::MAX).ok_or_else(|| {
            Error::argument(
                "--faults reference",
                format!("seed {seed} has no map"),
                "the reference code's seeds are below 4294967295",
            )
        })
    }

    /// The map that the reference code draws for a seed s: cell i is faulty if uniform number i of seed s is
    /// below `ber`, and it reads 1 if uniform number i of seed s + 1 is below a half.
    ///
    /// A training step's seed (see [`super::step_seed`]) is folded onto the reference code's 0 to
    /// 30,000.
    ///
    /// # Errors
    /// [`Error::Argument`] for a seed that NumPy does not take: 2^32 - 1 and above.
    pub fn reference(seed: u64, ber: f64) -> Result<Self> {
        let seed = Self::check_seed(seed)?;
        let mut faulty = Mt::new(seed);
        let mut polarity = Mt::new(seed + 1);
        let (stuck_at_1, stuck_at_0) = (Vec::new(), Vec::new());
        let mut map = Self { stuck_at_1, stuck_at_0, mapping: Mapping::Reference };
        for _ in 0..CELL_MAP_WORDS {
            let (mut ones, mut zeros) = (0, 0);
            for cell in 0..32 {
                let (is_faulty, reads_1) =
                    (uniform(&mut faulty) < ber, uniform(&mut polarity) < 0.5);
                ones |= u32::from(is_faulty && reads_1) << cell;
                zeros |= u32::from(is_faulty && !reads_1) << cell;
            }
            map.stuck_at_1.push(ones);
            map.stuck_at_0.push(zeros);
        }
        Ok(map)
    }
}

/// A double in [0, 1) of 53 random bits, as `numpy.random.rand` makes it.
fn uniform(random: &mut Mt) -> f64 {
    let (high, low) = (random.next_u32() >> 5, random.next_u32() >> 6);
    (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.random.seed(5489); numpy.random.rand(4)`, and the Mersenne Twister's own first words.
    #[test]
    fn uniforms_are_numpys() {
        let mut random = Mt::new(5489);
        assert_eq!([0; 3].map(|_| random.next_u32()), [3_499_211_612, 581_869_302, 3_890_346_734]);
        let mut random = Mt::new(0);
        let first = [0; 3].map(|_| uniform(&mut random));
        assert_eq!(
            first,
            [0.548_813_503_927_324_8, 0.715_189_366_372_419_5, 0.602_763_376_071_643_9]
        );
    }

    #[test]
    fn seeds_that_numpy_does_not_take_are_refused() {
        assert!(CellMap::reference(u64::from(u32::MAX), 0.01).is_err());
        let step = crate::fault::step_seed(1, 2, 3);
        let folded = CellMap::reference(step % 30_001, 0.01).unwrap();
        assert_eq!(CellMap::reference(step, 0.01).unwrap(), folded);
    }

    #[test]
    fn weights_meet_the_cells_that_the_reference_code_gives_them() {
        let map = CellMap::reference(7, 0.3).unwrap();
        // Byte of weight i: row (i / 256) mod 8192, column i mod 16.
        let byte = |words: &[u32], i: u32| {
            let (row, column) = (i / 256 % 8192, i % 16);
            words[(row * 4 + column / 4) as usize] >> (8 * (column % 4)) & 0xff
        };
        for word in [0, 1, 3, 4, 63, 64, 100_000, 8192 * 64 - 1, 8192 * 64, 600_000] {
            for weight in 0..4 {
                // Every layer begins at row 0, wherever it comes.
                let place = crate::fault::Place { layer: 3, address: 77 };
                let cells = map.faulty(place, word);
                let [ones, zeros] = [cells.to_1, cells.to_0].map(|c| c >> (8 * weight) & 0xff);
                assert_eq!(ones, byte(&map.stuck_at_1, 4 * word + weight));
                assert_eq!(zeros, byte(&map.stuck_at_0, 4 * word + weight));
            }
        }
    }
}
