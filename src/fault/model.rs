//! Fault models: what a faulty cell does to the bit stored in it. Every model becomes one mask to
//! exclude-or with the stored word, so one kernel serves all.

use super::{mask, reference::CellMap};
use crate::error::{Error, Result};
use std::{fmt, str::FromStr};

/// What a faulty cell does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultModel {
    /// It reads the opposite of what is stored.
    Flip,
    /// It reads 0 or 1, half of the cells each, whatever is stored: half of them change a bit in
    /// expectation.
    StuckAt,
    /// As `StuckAt`, but the cells are those that the paper's code draws: one memory of 128 KiB whose
    /// rows repeat 16 times, the same for every layer. For comparison with the paper's numbers.
    Reference,
}

impl FaultModel {
    /// All models.
    pub const ALL: [Self; 3] = [Self::Flip, Self::StuckAt, Self::Reference];
}

impl fmt::Display for FaultModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Flip => "flip",
            Self::StuckAt => "stuck-at",
            Self::Reference => "reference",
        })
    }
}

impl FromStr for FaultModel {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|model| model.to_string() == name)
            .ok_or_else(|| Error::unknown("fault model", name, Self::ALL))
    }
}

/// A fault model and its rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// What a faulty cell does.
    pub model: FaultModel,
    /// Probability that a cell is faulty, in [0, 1).
    pub ber: f64,
}

impl Faults {
    /// Faults of a model at a rate.
    ///
    /// # Errors
    /// As [`Self::checked`].
    pub fn new(model: FaultModel, ber: f64) -> Result<Self> {
        Self { model, ber }.checked()
    }

    /// The same, if the rate is one.
    ///
    /// # Errors
    /// [`Error::Argument`] unless 0 <= ber < 1.
    pub fn checked(self) -> Result<Self> {
        if (0.0..1.0).contains(&self.ber) {
            return Ok(self);
        }
        Err(Error::argument(
            "--ber",
            format!("{} is not a rate of faulty cells: 0 <= rate < 1", self.ber),
            "rates are probabilities: 0.01 is one per cent",
        ))
    }

    /// The map of a seed.
    ///
    /// # Errors
    /// A seed that the model has no map for.
    pub fn map(self, seed: u64) -> Result<FaultMap> {
        Ok(match self.model {
            FaultModel::Flip | FaultModel::StuckAt => FaultMap::Drawn { faults: self, seed },
            FaultModel::Reference => FaultMap::Cells(CellMap::reference(seed, self.ber)?),
        })
    }

    /// Probability that a cell changes the bit stored in it.
    #[must_use]
    pub fn flip_rate(self) -> f64 {
        match self.model {
            FaultModel::Flip => self.ber,
            FaultModel::StuckAt | FaultModel::Reference => self.ber / 2.0,
        }
    }
}

/// Which cells of one memory are faulty, and what they read.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultMap {
    /// Drawn cell by cell when asked for.
    Drawn {
        /// The model and its rate.
        faults: Faults,
        /// The seed of the draws.
        seed: u64,
    },
    /// A list of all cells.
    Cells(CellMap),
}

impl FaultMap {
    /// The bits of one stored word that read differently.
    ///
    /// `word` counts the packed words of faultable layer `layer`, `stored` is its contents. The
    /// caller masks out what is not stored: bits past the precision, weights past the end.
    #[must_use]
    pub fn xor_mask(&self, word: u32, layer: u32, stored: u32) -> u32 {
        match self {
            Self::Drawn { faults, seed } => {
                let threshold = mask::threshold(faults.ber);
                let faulty = mask::faulty_cells(*seed, layer, word, threshold);
                match faults.model {
                    FaultModel::StuckAt => faulty & (stored ^ mask::polarity(*seed, layer, word)),
                    _ => faulty,
                }
            }
            Self::Cells(cells) => cells.xor_mask(word, stored),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways_and_a_slip_gets_a_suggestion() {
        for model in FaultModel::ALL {
            assert_eq!(model.to_string().parse::<FaultModel>().unwrap(), model);
        }
        let e = "stuckat".parse::<FaultModel>().unwrap_err();
        assert_eq!(e.hint().unwrap(), "did you mean stuck-at? known: flip, stuck-at, reference");
    }

    #[test]
    fn a_rate_is_a_probability_below_one() {
        for ber in [0.0, 1e-12, 0.01, 0.999_999] {
            assert!(Faults::new(FaultModel::Flip, ber).is_ok(), "{ber}");
        }
        for ber in [1.0, 5.0, -1e-9, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let e = Faults::new(FaultModel::Flip, ber).unwrap_err();
            assert!(e.hint().unwrap().contains("0.01 is one per cent"), "{ber}");
            assert_eq!(e.exit_code(), 2);
        }
    }

    #[test]
    fn a_stuck_cell_reads_its_polarity_whatever_is_stored() {
        let faults = Faults::new(FaultModel::StuckAt, 0.2).unwrap();
        let flips = Faults::new(FaultModel::Flip, 0.2).unwrap();
        let (stuck, flips) = (faults.map(9).unwrap(), flips.map(9).unwrap());
        for word in 0..100 {
            let faulty = flips.xor_mask(word, 2, 0);
            let polarity = mask::polarity(9, 2, word);
            for stored in [0, u32::MAX, 0x1234_5678] {
                let read = stored ^ stuck.xor_mask(word, 2, stored);
                assert_eq!(read & faulty, polarity & faulty);
                assert_eq!(read & !faulty, stored & !faulty);
                assert_eq!(flips.xor_mask(word, 2, stored), faulty);
            }
        }
    }
}
