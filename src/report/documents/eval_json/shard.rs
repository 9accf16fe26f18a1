//! A share of the fault maps of an evaluation, which one of several processes measures (`eval --shard`).

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Share `index` of `of`, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    /// Which share, from 1 to `of`.
    pub index: usize,
    /// Number of shares.
    pub of: usize,
}

/// What a user is told about shares that do not exist.
const RANGE: &str = "give a share and the number of shares, from 1/N to N/N";

impl Shard {
    /// The seeds of this share: every `of`-th, so that shares differ by one map at most.
    ///
    /// # Errors
    /// There are fewer seeds than shares, or this is none of them.
    pub fn share(self, seeds: &[u64]) -> Result<Vec<u64>> {
        if !(1..=self.of).contains(&self.index) {
            return Err(Error::argument("--shard", format!("there is no share {self}"), RANGE));
        }
        if self.of > seeds.len() {
            let what = format!("{} shares of {} fault maps", self.of, seeds.len());
            let hint = match seeds.len() {
                1 => "there is one map: divide the rates or generators among commands".to_owned(),
                n => format!("{n} is the most; more maps come with --seeds"),
            };
            return Err(Error::argument("--shard", what, hint));
        }
        Ok(seeds.iter().copied().skip(self.index - 1).step_by(self.of).collect())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parts = text.split_once('/').map(|(index, of)| (index.parse(), of.parse()));
        match parts {
            Some((Ok(index), Ok(of))) if (1..=of).contains(&index) => Ok(Self { index, of }),
            _ => Err(RANGE.into()),
        }
    }
}

/// What the document of a share records, beside its results, so that all shares become one document again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// Which share this is.
    #[serde(flatten)]
    pub shard: Shard,
    /// Seeds of the fault maps of all shares, in order.
    pub seeds: Vec<u64>,
    /// Stored bits of the base network that can be counted as flipped.
    pub cells: u64,
    /// Whether the whole document is to hold confusion matrices: that of a share needs them for accuracies per class.
    pub confusion: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_in_one_share() {
        let seeds: Vec<u64> = (10..20).collect();
        let mut all = Vec::new();
        for index in 1..=4 {
            let share = Shard { index, of: 4 }.share(&seeds).unwrap();
            assert!((2..=3).contains(&share.len()), "{share:?}");
            all.extend(share);
        }
        all.sort_unstable();
        assert_eq!(all, seeds);
        let error = Shard { index: 1, of: 11 }.share(&seeds).unwrap_err();
        assert!(error.hint().unwrap().contains("10 is the most"), "{error:?}");
        assert!(Shard { index: 1, of: 2 }.share(&[1]).is_err());
        // What a damaged document may say.
        for (index, of) in [(1, 0), (0, 2), (3, 2)] {
            assert!(Shard { index, of }.share(&seeds).is_err(), "{index}/{of}");
        }
    }

    #[test]
    fn shares_are_counted_from_one() {
        assert_eq!("2/3".parse(), Ok(Shard { index: 2, of: 3 }));
        for wrong in ["0/3", "4/3", "3", "1/0", "a/b", "-1/2", ""] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
