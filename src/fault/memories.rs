//! Which memories of an accelerator can fail.

use super::Memory;
use crate::error::{Error, Result};
use std::{fmt, str::FromStr};

/// The memories that can fail, and whose cells an image's activations have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memories {
    /// Stored weights.
    pub weights: bool,
    /// Biases that are stored as words of 32 bits.
    pub biases: bool,
    /// Quantised activations that lie behind a layer with weights.
    pub activations: bool,
    /// Whether the activations of every image have the cells of image 0; else each image has its own.
    pub fixed: bool,
}

impl Default for Memories {
    /// Weights alone.
    fn default() -> Self {
        Self { weights: true, biases: false, activations: false, fixed: false }
    }
}

impl Memories {
    /// The value of `--activation-map` for [`Self::fixed`].
    pub(super) const FIXED: &str = "fixed";

    /// The memories of the flags `--faults-in` and `--activation-map`.
    ///
    /// # Errors
    /// [`Error::Argument`]: a name that is none, or a map of activations that cannot fail.
    pub(super) fn of(memories: Option<&str>, map: Option<&str>) -> Result<Self> {
        let memories = memories.map_or_else(|| Ok(Self::default()), str::parse::<Self>)?;
        let wrong = |what: String, hint| Err(Error::argument("--activation-map", what, hint));
        match map {
            Some(_) if !memories.activations => wrong(
                "activations do not fail".into(),
                "leave it out, or add --faults-in activations",
            ),
            None | Some("fresh") => Ok(memories),
            Some(Self::FIXED) => Ok(Self { fixed: true, ..memories }),
            Some(other) => {
                wrong(format!("{other:?} is no map of activations"), "give fresh or fixed")
            }
        }
    }

    /// Whether something fails whose cells are drawn one by one, and never those of a map of weights.
    #[must_use]
    pub fn beside_weights(self) -> bool {
        self.biases || self.activations
    }

    /// Positions of the widest words that fail, of which weights have `of_weights`.
    pub(super) fn positions(self, of_weights: u32) -> u32 {
        if self.biases { Memory::Biases.cells() } else { of_weights }
    }

    /// Whether nothing but weights can fail.
    #[must_use]
    pub fn only_weights(self) -> bool {
        self == Self::default()
    }
}

impl fmt::Display for Memories {
    /// As `--faults-in` takes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all =
            [("weights", self.weights), ("biases", self.biases), ("activations", self.activations)];
        let failing: Vec<&str> = all.iter().filter(|of| of.1).map(|of| of.0).collect();
        f.pad(&failing.join(","))
    }
}

impl FromStr for Memories {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut memories = Self { weights: false, ..Self::default() };
        for name in text.split(',').map(str::trim) {
            match name {
                "weights" => memories.weights = true,
                "activations" => memories.activations = true,
                "biases" => memories.biases = true,
                other => {
                    let what = format!("{other:?} is no memory that fails");
                    return Err(Error::argument(
                        "--faults-in",
                        what,
                        "give one or several of weights, biases, activations",
                    ));
                }
            }
        }
        Ok(memories)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for text in [
            "weights",
            "activations",
            "weights,activations",
            "weights,biases,activations",
            "biases",
        ] {
            assert_eq!(text.parse::<Memories>().unwrap().to_string(), text);
        }
        let both: Memories = "activations, weights".parse().unwrap();
        assert_eq!(both, Memories { activations: true, ..Memories::default() });
        assert_eq!(Memories::of(None, None).unwrap(), Memories::default());
        let fixed = Memories::of(Some("activations"), Some("fixed")).unwrap();
        assert!(fixed.fixed && !fixed.weights && !fixed.only_weights());
        for (memories, map, flag) in [
            (Some(""), None, "--faults-in"),
            (Some("weights,bias"), None, "--faults-in"),
            (Some("weights"), Some("fixed"), "--activation-map"),
            (Some("activations"), Some("same"), "--activation-map"),
        ] {
            let e = Memories::of(memories, map).unwrap_err();
            assert!(e.to_string().starts_with(flag) && e.exit_code() == 2, "{e}");
        }
    }
}
