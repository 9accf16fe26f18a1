//! The map of faulty cells that a fault model gives for a seed. Every model becomes one XOR mask per stored
//! word, so that one kernel serves all models.

use super::{CellMap, Faults, FaultyCells, Memory, Model, Place, mask};
use crate::error::Result;
use std::sync::Arc;

/// Which cells of one memory are faulty, and what they read.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultMap {
    faults: Faults,
    seed: u64,
    /// The list of cells of [`Model::Reference`] and [`Model::Pattern`].
    list: Option<Arc<CellMap>>,
}

impl Faults {
    /// The fault map of a seed; a measured map is the same for all seeds.
    ///
    /// # Errors
    /// A seed that the model has no map for.
    pub fn map(&self, seed: u64) -> Result<FaultMap> {
        let list = match &self.model {
            Model::Reference(ber) => Some(Arc::new(CellMap::reference(seed, *ber)?)),
            Model::Pattern(pattern) => Some(Arc::new(pattern.map(seed))),
            Model::Flip(_) | Model::StuckAt(_) | Model::Asymmetric(_) | Model::Profile(..) => None,
        };
        Ok(FaultMap { faults: self.clone(), seed, list })
    }
}

impl FaultMap {
    /// The list of all cells of a reference map, a pattern's or a measured one; `None` where cells are drawn word by word.
    pub fn cells(&self) -> Option<&CellMap> {
        let measured = || self.faults.measured().map(|profile| &profile.cells);
        self.list.as_deref().or_else(measured)
    }

    /// The cells of a layer's stored word that fail. `word` counts the packed words of the layer, which the
    /// caller has found to be one that can fail. Cells that store nothing (bits past the precision, weights
    /// past the end) fail like any other: the caller masks them out.
    pub fn faulty(&self, place: Place, word: u32) -> FaultyCells {
        self.faulty_in(Memory::Bytes, place, word)
    }

    /// Like [`Self::faulty`], of a word of any memory.
    pub fn faulty_in(&self, memory: Memory, place: Place, word: u32) -> FaultyCells {
        let FaultyCells { to_1, to_0 } = match self.cells() {
            Some(cells) => cells.faulty(place, word),
            None => self.drawn(memory, [place.layer, word]),
        };
        let positions = self.faults.positions.word(memory);
        FaultyCells { to_1: to_1 & positions, to_0: to_0 & positions }
    }

    fn drawn(&self, memory: Memory, at: [u32; 2]) -> FaultyCells {
        let ([ber01, ber10], lot) = (self.faults.rates(), self.faults.lot());
        // Cells that the whole lot shares follow its seed, the others the chip's.
        let of_lot = lot.map(|lot| (lot, mask::lot_cells(memory, lot.seed, at, lot.cut())));
        let shared = |of_seed: &dyn Fn(u64) -> u32| match &of_lot {
            None => of_seed(self.seed),
            Some((lot, cells)) => (of_seed(lot.seed) & cells) | (of_seed(self.seed) & !cells),
        };
        let weak = |ber| {
            let threshold = mask::threshold(ber);
            shared(&|seed| mask::faulty_in(memory, seed, at, threshold))
        };
        let weak_0 = weak(ber01);
        match self.faults.model() {
            Model::Asymmetric(_) => FaultyCells { to_1: weak_0, to_0: weak(ber10) },
            Model::StuckAt(_) if weak_0 != 0 => {
                let ones = shared(&|seed| mask::polarity_in(memory, seed, at));
                FaultyCells { to_1: weak_0 & ones, to_0: weak_0 & !ones }
            }
            Model::StuckAt(_)
            | Model::Flip(_)
            | Model::Reference(_)
            | Model::Profile(..)
            | Model::Pattern(_) => FaultyCells { to_1: weak_0, to_0: weak_0 },
        }
    }

    /// The bits of one stored word that read differently; the arguments are those of [`Self::faulty`].
    pub fn xor_mask(&self, place: Place, word: u32, stored: u32) -> u32 {
        self.faulty(place, word).xor_mask(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{FaultModel, Lot};

    fn at(layer: u32) -> Place {
        Place { layer, address: 0 }
    }

    #[test]
    fn a_stuck_cell_reads_its_polarity_whatever_is_stored() {
        let map = |model| Faults::new(model, 0.2).unwrap().map(9).unwrap();
        let (stuck, flips) = (map(FaultModel::StuckAt), map(FaultModel::Flip));
        for word in 0..100 {
            let faulty = flips.xor_mask(at(2), word, 0);
            let polarity = mask::polarity(9, 2, word);
            for stored in [0, u32::MAX, 0x1234_5678] {
                let read = stored ^ stuck.xor_mask(at(2), word, stored);
                assert_eq!(read & faulty, polarity & faulty);
                assert_eq!(read & !faulty, stored & !faulty);
                assert_eq!(flips.xor_mask(at(2), word, stored), faulty);
            }
        }
    }

    #[test]
    fn asymmetric_cells_are_those_of_flip_at_each_directions_rate() {
        let map = Faults::asymmetric(0.3, 0.05).unwrap().map(4).unwrap();
        let flip = |ber| Faults::new(FaultModel::Flip, ber).unwrap().map(4).unwrap();
        for word in 0..50 {
            let FaultyCells { to_1, to_0 } = map.faulty(at(1), word);
            assert_eq!(to_1, flip(0.3).xor_mask(at(1), word, 0));
            assert_eq!(to_0, flip(0.05).xor_mask(at(1), word, 0));
            assert_eq!(to_0 & !to_1, 0); // nested
        }
    }

    #[test]
    fn only_the_chosen_positions_fail() {
        for model in FaultModel::RATED {
            let all = Faults::new(model, 0.4).unwrap();
            let some = all.clone().in_bits("0,6-7".parse().unwrap());
            let (all, some) = (all.map(3).unwrap(), some.map(3).unwrap());
            for word in 0..20 {
                let stored = 0x8001_ff7f;
                let wanted = all.xor_mask(at(0), word, stored) & 0xc1c1_c1c1;
                assert_eq!(some.xor_mask(at(0), word, stored), wanted, "{model}");
            }
        }
    }

    /// Chips of a lot agree in the cells that the lot shares, at the full rate each.
    #[test]
    fn chips_of_a_lot_share_that_fraction_of_their_weak_cells() {
        let (ber, words) = (0.1, 4000);
        let map = |shared: f64, chip: u64| {
            let lot = Lot::new(77, shared).unwrap();
            let faults = Faults::new(FaultModel::Flip, ber).unwrap().of_lot(lot).unwrap();
            let map = faults.map(chip).unwrap();
            (0..words).map(|w| map.xor_mask(at(0), w, 0)).collect::<Vec<u32>>()
        };
        let count = |a: &[u32], b: &[u32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from((a & b).count_ones())).sum()
        };
        let cells = f64::from(32 * words);
        for shared in [0.0, 0.25, 0.5, 1.0] {
            let (a, b) = (map(shared, 1), map(shared, 2));
            for chip in [&a, &b] {
                let error = 4.0 * (ber * (1.0 - ber) / cells).sqrt();
                assert!((count(chip, chip) / cells - ber).abs() < error);
            }
            // Both weak: the lot's cells always together, the others by chance.
            let p = ber * (shared + (1.0 - shared) * ber);
            let error = 4.0 * (p * (1.0 - p) / cells).sqrt();
            assert!((count(&a, &b) / cells - p).abs() < error, "{shared}");
            assert_eq!(a == b, shared == 1.0);
        }
        let alone = Faults::new(FaultModel::Flip, ber).unwrap().map(1).unwrap();
        let alone: Vec<u32> = (0..words).map(|w| alone.xor_mask(at(0), w, 0)).collect();
        assert_eq!(map(0.0, 1), alone); // a lot that shares nothing is no lot
        let reference = Faults::new(FaultModel::Reference, 0.1).unwrap();
        assert!(reference.of_lot(Lot::new(1, 0.5).unwrap()).is_err());
    }

    #[test]
    fn a_stuck_cell_of_the_lot_reads_the_same_on_all_its_chips() {
        let lot = Lot::new(5, 1.0).unwrap();
        let faults = Faults::new(FaultModel::StuckAt, 0.3).unwrap().of_lot(lot).unwrap();
        let alone = Faults::new(FaultModel::StuckAt, 0.3).unwrap().map(5).unwrap();
        for word in 0..50 {
            let chip = faults.map(1000).unwrap().faulty(at(3), word);
            assert_eq!(chip, alone.faulty(at(3), word));
        }
    }
}
