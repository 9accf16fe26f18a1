//! A memory cell by cell: which cells are stuck, and how the weights of a network lie on them.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The place of a layer's stored words in a network and in its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Index among all faultable layers, in `state_dict` order.
    pub layer: u32,
    /// Address of the layer's first word, in words: without a measured layout, the words of the layers before
    /// it.
    pub address: u32,
}

impl Place {
    /// The places of layers of these numbers of bytes, one after another; each begins with a new word.
    pub fn of_layers(bytes: impl IntoIterator<Item = u64>) -> Vec<Self> {
        let mut address = 0u32;
        let place = |(layer, bytes): (u32, u64)| {
            let place = Self { layer, address };
            // Addresses are only used modulo a memory's words, so wrapping at 2^32 does no harm.
            address = address.wrapping_add(bytes.div_ceil(4) as u32);
            place
        };
        (0..).zip(bytes).map(place).collect()
    }
}

/// How weights lie on the cells of a memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mapping {
    /// Layers lie one after another, word by word, and continue at the memory's start where it ends.
    #[default]
    Linear,
    /// As in the paper's code: every layer begins at row 0, and each row of 16 bytes serves 256 successive
    /// weights.
    Reference,
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Linear => "linear",
            Self::Reference => "reference",
        })
    }
}

impl FromStr for Mapping {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let all = [Self::Linear, Self::Reference];
        let found = all.into_iter().find(|m| m.to_string() == name);
        found.ok_or_else(|| Error::unknown("mapping", name, all))
    }
}

/// Words of a row of the reference code's memory: 128 cells.
pub(super) const ROW_WORDS: u32 = 4;

/// The cells of a memory that fail, one bit per cell; bit 8 b + j of a word is bit j of its byte b.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellMap {
    /// Cells that read 1 whatever is stored.
    pub stuck_at_1: Vec<u32>,
    /// Cells that read 0. A cell in both lists reads the opposite of what is stored.
    pub stuck_at_0: Vec<u32>,
    /// How weights lie on the cells.
    pub mapping: Mapping,
}

impl CellMap {
    /// Words of the memory.
    pub fn words(&self) -> u32 {
        self.stuck_at_1.len() as u32
    }

    /// Whether both lists have every word that [`Self::index`] can return.
    pub(super) fn is_whole(&self) -> bool {
        let words = self.stuck_at_1.len();
        let row = if self.mapping == Mapping::Reference { ROW_WORDS as usize } else { 1 };
        let countable = u32::try_from(words).is_ok_and(|words| words > 0);
        countable && words.is_multiple_of(row) && words == self.stuck_at_0.len()
    }

    /// Share of the cells that are faulty.
    pub fn share(&self) -> f64 {
        let faulty = |(a, b): (&u32, &u32)| u64::from((a | b).count_ones());
        let all: u64 = self.stuck_at_1.iter().zip(&self.stuck_at_0).map(faulty).sum();
        all as f64 / (32 * self.stuck_at_1.len()).max(1) as f64
    }

    /// Shares of the cells that read 1 where 0 is stored, and 0 where 1 is.
    pub(super) fn shares(&self) -> [f64; 2] {
        [&self.stuck_at_1, &self.stuck_at_0].map(|words| {
            let set: u64 = words.iter().map(|w| u64::from(w.count_ones())).sum();
            set as f64 / (32 * words.len()).max(1) as f64
        })
    }

    /// Index in the memory of word `word` of a layer.
    pub fn index(&self, place: Place, word: u32) -> usize {
        let words = u64::from(self.words());
        let at = match self.mapping {
            Mapping::Linear => (u64::from(place.address) + u64::from(word)) % words,
            Mapping::Reference => {
                u64::from(word / 64 * ROW_WORDS) % words + u64::from(word % ROW_WORDS)
            }
        };
        at as usize
    }

    /// The cells of a layer's stored word that fail.
    pub(super) fn faulty(&self, place: Place, word: u32) -> FaultyCells {
        let at = self.index(place, word);
        FaultyCells { to_1: self.stuck_at_1[at], to_0: self.stuck_at_0[at] }
    }
}

/// Which of the 32 cells of one stored word fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultyCells {
    /// Cells that read 1 where 0 is stored.
    pub to_1: u32,
    /// Cells that read 0 where 1 is stored.
    pub to_0: u32,
}

impl FaultyCells {
    /// The bits of a stored word that read differently.
    pub fn xor_mask(self, stored: u32) -> u32 {
        (self.to_1 & !stored) | (self.to_0 & stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_lie_behind_one_another_and_the_memory_begins_again() {
        let places = Place::of_layers([8, 5, 1]);
        assert_eq!(places.iter().map(|p| p.address).collect::<Vec<_>>(), [0, 2, 4]);
        let words = |n: u32| (0..n).collect();
        let map = CellMap { stuck_at_1: words(3), stuck_at_0: words(3), mapping: Mapping::Linear };
        let index = |place, word| map.index(place, word);
        assert_eq!([0, 1].map(|w| index(places[0], w)), [0, 1]);
        assert_eq!([0, 1].map(|w| index(places[1], w)), [2, 0]);
        assert_eq!(index(places[2], 0), 1);
        let long = Place { layer: 9, address: u32::MAX };
        assert_eq!(index(long, 2), ((u64::from(u32::MAX) + 2) % 3) as usize);
    }

    #[test]
    fn the_share_counts_each_cell_once() {
        let map = CellMap { stuck_at_1: vec![3], stuck_at_0: vec![6], mapping: Mapping::Linear };
        assert_eq!((map.share(), map.shares()), (3.0 / 32.0, [2.0 / 32.0; 2]));
    }
}
