//! Fault models: what a faulty cell does to the bit stored in it.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a faulty cell does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultModel {
    /// It reads the opposite of what is stored.
    Flip,
    /// It reads 0 or 1, half of the cells each, whatever is stored: half of them change a bit in
    /// expectation.
    StuckAt,
    /// It fails in one direction more than in the other: a stored 0 reads 1 at one rate, a stored 1
    /// reads 0 at another.
    Asymmetric,
    /// As `StuckAt`, but the cells are those that the paper's code draws: one memory of 128 KiB whose
    /// rows repeat 16 times, the same for every layer. For comparison with the paper's numbers.
    Reference,
    /// The cells of a measured map.
    Profile,
    /// Lines and clusters of cells, drawn as a file says ([`super::Pattern`]).
    Pattern,
}

impl FaultModel {
    /// All models.
    pub const ALL: [Self; 6] = [
        Self::Flip,
        Self::StuckAt,
        Self::Asymmetric,
        Self::Reference,
        Self::Profile,
        Self::Pattern,
    ];
    /// Models that rates and a seed describe.
    pub const RATED: [Self; 4] = [Self::Flip, Self::StuckAt, Self::Asymmetric, Self::Reference];

    /// Whether the cells of all layers come from one list, that of one chip's memory of weights, and are not drawn word
    /// by word.
    #[must_use]
    pub fn lists_cells(self) -> bool {
        match self {
            Self::Flip | Self::StuckAt | Self::Asymmetric => false,
            Self::Reference | Self::Profile | Self::Pattern => true,
        }
    }
}

impl fmt::Display for FaultModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Flip => "flip",
            Self::StuckAt => "stuck-at",
            Self::Asymmetric => "asymmetric",
            Self::Reference => "reference",
            Self::Profile => "profile",
            Self::Pattern => "pattern",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways_and_a_slip_gets_a_suggestion() {
        for model in FaultModel::ALL {
            assert_eq!(model.to_string().parse::<FaultModel>().unwrap(), model);
        }
        let e = "stuckat".parse::<FaultModel>().unwrap_err();
        assert!(e.hint().unwrap().starts_with("did you mean stuck-at? known: flip, stuck-at, "));
    }
}
