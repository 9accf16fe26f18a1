//! Restrictions of faults to bit positions and to layers; lots of chips.

use super::{
    Memory, check_seed,
    mask::{self, LEAST},
    quantize::check_word,
};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// A set of bit positions of a stored number, 0 (least significant) to 7 of a weight, to 15 of a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Positions {
    set: u32,
    /// Positions that there are.
    of: u32,
}

impl Positions {
    /// All positions of a weight of up to 8 bits.
    pub const ALL: Self = Self { set: 0xff, of: 8 };

    /// All of so many positions, at most 32.
    pub fn all(of: u32) -> Self {
        Self { set: u32::MAX.checked_shr(32 - of.min(32)).unwrap_or(0), of: of.min(32) }
    }

    /// One position of a weight of up to 8 bits.
    pub fn only(bit: u32) -> Self {
        Self::ALL.alone(bit)
    }

    /// One of the positions that there are here.
    #[must_use]
    pub fn alone(self, bit: u32) -> Self {
        let set = 1u32.checked_shl(bit).unwrap_or(0) & Self::all(self.of).set;
        Self { set, ..self }
    }

    /// The positions that are not in the set.
    #[must_use]
    pub fn others(self) -> Self {
        Self { set: Self::all(self.of).set & !self.set, ..self }
    }

    /// The positions that are in either set.
    #[must_use]
    pub fn and(self, those: Self) -> Self {
        Self { set: self.set | those.set, ..self }
    }

    /// The positions that are in both sets.
    #[must_use]
    pub fn among(self, those: Self) -> Self {
        Self { set: self.set & those.set, ..self }
    }

    /// Number of positions that there are.
    pub fn count(self) -> u32 {
        self.of
    }

    /// Whether all positions that there are are in the set.
    pub fn is_all(self) -> bool {
        self == Self::all(self.of)
    }

    /// Whether a position is in the set.
    pub fn contains(self, bit: u32) -> bool {
        self.set.checked_shr(bit).unwrap_or(0) & 1 == 1
    }

    /// The cells of a word of a memory that have these positions.
    pub fn word(self, memory: Memory) -> u32 {
        memory.repeated(self.set & Self::all(memory.cells()).set)
    }

    /// The cells of these positions among those that weights of `bits` bits use.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no such cell, or unless 2 <= bits <= 8 or bits = 16.
    pub fn stored(self, bits: u32) -> Result<u32> {
        check_word(bits)?;
        let cells = self.among(Self::all(bits)).word(Memory::of_weights(bits));
        if cells != 0 {
            return Ok(cells);
        }
        let what = format!("weights of {bits} bits have no bit {self}");
        Err(Error::argument("--bits", what, format!("give positions from 0 to {}", bits - 1)))
    }

    /// The positions that a text names, as in `7`, `0-3` or `0,6-7`, of so many that there are.
    ///
    /// # Errors
    /// [`Error::Argument`]: it names none, or others.
    pub fn parse(text: &str, of: u32) -> Result<Self> {
        let wrong = || {
            let hint = format!(
                "as in 7, 0-3 or 0,6-7; bit 0 is the least significant, the highest, {}, the sign",
                of.saturating_sub(1)
            );
            Error::argument("--bits", format!("{text:?} names no bits of a stored weight"), hint)
        };
        let bit = |t: &str| t.trim().parse().ok().filter(|&b: &u32| b < of).ok_or_else(wrong);
        let mut set = 0u32;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (bit(first)?, bit(last)?);
            if first > last {
                return Err(wrong());
            }
            (first..=last).for_each(|bit| set |= 1 << bit);
        }
        Ok(Self { set, of })
    }
}

impl fmt::Display for Positions {
    /// As `--bits` takes it: `0-7`, `0,6-7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges = Vec::new();
        let mut bit = 0;
        while bit < self.of {
            let len = (bit..self.of).take_while(|&b| self.contains(b)).count() as u32;
            match len {
                0 => {}
                1 => ranges.push(bit.to_string()),
                _ => ranges.push(format!("{bit}-{}", bit + len - 1)),
            }
            bit += len + 1;
        }
        f.pad(&ranges.join(","))
    }
}

impl FromStr for Positions {
    type Err = Error;

    /// Positions of a weight of up to 8 bits.
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text, 8)
    }
}

/// Layers chosen by the names of their weights: patterns with `*` and `?`; a pattern after `!` excludes layers.
/// Without a pattern, all layers are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerChoice {
    patterns: Arc<[String]>,
}

impl LayerChoice {
    /// The layers of these names.
    pub fn only(names: &[&str]) -> Self {
        Self { patterns: names.iter().map(|&n| n.to_owned()).collect() }
    }

    /// All layers but those of these names.
    pub fn without(names: &[&str]) -> Self {
        Self { patterns: names.iter().map(|n| format!("!{n}")).collect() }
    }

    /// Whether all layers are chosen.
    pub fn is_all(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether a layer is chosen; its name is that of its weights, `.weight` may be left out.
    pub fn contains(&self, name: &str) -> bool {
        let short = name.strip_suffix(".weight").unwrap_or(name);
        let fits = |pattern: &str| matches(pattern, name) || matches(pattern, short);
        let (excluded, included): (Vec<_>, Vec<_>) =
            self.patterns.iter().partition(|p| p.starts_with('!'));
        let is_in = included.is_empty() || included.iter().any(|p| fits(p));
        is_in && !excluded.iter().any(|p| fits(&p[1..]))
    }

    /// Which of these layers are chosen.
    ///
    /// # Errors
    /// [`Error::Argument`] if none is chosen or a pattern fits none; the message lists the names.
    pub fn of<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Vec<bool>> {
        let names: Vec<&str> = names.into_iter().collect();
        let list = || names.join(", ");
        for pattern in self.patterns.iter() {
            let only = Self { patterns: [pattern.trim_start_matches('!').to_owned()].into() };
            if !names.iter().any(|name| only.contains(name)) {
                let what = format!("no layer is called {:?}", only.to_string());
                return Err(Error::argument("--layers", what, format!("layers: {}", list())));
            }
        }
        let chosen: Vec<bool> = names.iter().map(|name| self.contains(name)).collect();
        if chosen.contains(&true) {
            return Ok(chosen);
        }
        let what = format!("{:?} leaves no layer", self.to_string());
        Err(Error::argument("--layers", what, format!("layers: {}", list())))
    }
}

impl fmt::Display for LayerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.patterns.join(","))
    }
}

impl FromStr for LayerChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let patterns: Arc<[String]> = text.split(',').map(|p| p.trim().to_owned()).collect();
        if patterns.iter().any(|p| p.trim_start_matches('!').is_empty()) {
            let hint = "as in 'layer1.*' or '!linear'; names are those of the weights file";
            return Err(Error::argument("--layers", format!("{text:?} names no layer"), hint));
        }
        Ok(Self { patterns })
    }
}

/// Whether a name fits a pattern: `*` is any run of characters, `?` any one. (Crates for globs are for paths, whose dots and
/// slashes are special.)
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern.len() == name.len()
            && pattern.bytes().zip(name.bytes()).all(|(p, n)| p == b'?' || p == n);
    };
    let fits = name.get(..before.len()).is_some_and(|start| matches(before, start));
    fits && (before.len()..=name.len())
        .any(|at| name.get(at..).is_some_and(|rest| matches(after, rest)))
}

/// Chips that have a part of their weak cells in common.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lot {
    /// Seed of the cells that the chips share.
    pub seed: u64,
    /// Share of the cells that follow the lot and not the chip, in [0, 1].
    pub shared: f64,
}

impl Lot {
    /// Makes a lot.
    ///
    /// # Errors
    /// [`Error::Argument`]: a share outside [0, 1], or a seed that a user cannot give.
    pub fn new(seed: u64, shared: f64) -> Result<Self> {
        check_seed("--lot", seed)?;
        if mask::draws_nothing(shared) {
            let what =
                format!("a part of {shared:?} is no cell: the smallest that is one is {LEAST}");
            return Err(Error::argument(
                "--shared",
                what,
                "0 is chips that have nothing in common",
            ));
        }
        if (0.0..=1.0).contains(&shared) {
            return Ok(Self { seed, shared });
        }
        let what = format!("{shared} is no share of the weak cells: 0 <= share <= 1");
        Err(Error::argument("--shared", what, "0.5: chips of the lot share half of them"))
    }

    /// The threshold that selects its cells; `u32::MAX` selects all (`docs/fault-format.md`).
    pub fn cut(self) -> u32 {
        mask::threshold(self.shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_ranges_and_lists() {
        for (text, word) in [("0-7", 0xffff_ffff), ("7", 0x8080_8080), ("0,6-7", 0xc1c1_c1c1)] {
            let positions: Positions = text.parse().unwrap();
            let of_word = positions.word(Memory::Bytes);
            assert_eq!((of_word, positions.to_string().as_str()), (word, text));
        }
        for wrong in ["", "8", "3-1", "a", "1-", "-1", "0-8", "1,,2"] {
            assert_eq!(wrong.parse::<Positions>().unwrap_err().exit_code(), 2, "{wrong}");
        }
        assert_eq!(Positions::only(3).others().to_string(), "0-2,4-7");
        assert_eq!(Positions::only(0).and(Positions::only(2)).to_string(), "0,2");
        assert_eq!(Positions::only(7).stored(8).unwrap(), 0x8080_8080);
        assert!(Positions::only(7).stored(7).is_err());
    }

    #[test]
    fn floats_have_sixteen_positions() {
        let of = |text| Positions::parse(text, 16);
        for (text, word) in [("0-15", u32::MAX), ("15", 0x8000_8000), ("0-7,9", 0x02ff_02ff)] {
            let positions = of(text).unwrap();
            assert_eq!((positions.stored(16).unwrap(), positions.to_string()), (word, text.into()));
            assert_eq!(
                (positions.is_all(), positions.word(Memory::Halves)),
                (text == "0-15", word)
            );
        }
        assert!(of("16").is_err() && of("10-9").is_err() && !of("0-7").unwrap().is_all());
        let sign = of("0-15").unwrap().alone(15);
        assert_eq!((sign.to_string(), sign.others().to_string()), ("15".into(), "0-14".into()));
        assert_eq!(sign.word(Memory::Bytes), 0);
        assert!(sign.stored(8).is_err() && sign.stored(9).is_err() && sign.stored(17).is_err());
        assert_eq!(Positions::all(32).word(Memory::Bytes), u32::MAX);
    }

    #[test]
    fn layers_are_chosen_by_patterns() {
        let names =
            ["conv1.weight", "layer1.0.conv1.weight", "layer1.1.conv2.weight", "linear.weight"];
        let of = |text: &str| text.parse::<LayerChoice>().unwrap().of(names);
        assert_eq!(of("conv1").unwrap(), [true, false, false, false]);
        assert_eq!(of("*conv1.weight").unwrap(), [true, true, false, false]);
        assert_eq!(of("layer1.?.conv?").unwrap(), [false, true, true, false]);
        assert_eq!(of("layer*,linear").unwrap(), [false, true, true, true]);
        assert_eq!(of("!linear").unwrap(), [true, true, true, false]);
        assert_eq!(of("layer1.*,!*conv2*").unwrap(), [false, true, false, false]);
        assert!(LayerChoice::default().of(names).unwrap().iter().all(|&c| c));
        for (text, says) in [("fc", "fc"), ("!fc", "fc"), ("linear,!linear", "leaves no layer")] {
            let e = of(text).unwrap_err();
            assert!(e.to_string().contains(says), "{e}");
            assert!(e.hint().unwrap().contains("layer1.0.conv1.weight"));
        }
        for wrong in ["", "a,", "!"] {
            assert!(wrong.parse::<LayerChoice>().is_err());
        }
        assert_eq!(LayerChoice::only(&["a.b"]).of(["a.b", "ab"]).unwrap(), [true, false]);
        assert_eq!(LayerChoice::without(&["a"]).of(["a", "b"]).unwrap(), [false, true]);
    }

    #[test]
    fn a_share_is_between_nothing_and_all() {
        assert_eq!(Lot::new(1, 0.5).unwrap().cut(), 1 << 31);
        assert_eq!(Lot::new(1, 1.0).unwrap().cut(), u32::MAX);
        for wrong in [-0.1, 1.1, f64::NAN] {
            assert!(Lot::new(1, wrong).is_err());
        }
    }
}
