//! How `nf-gpu forward` takes the weights of a base network.

use super::ForwardArgs;
use crate::{
    error::{Error, Result},
    onnx,
    train::BaseNet,
};
use serde_json::{Value, json};
use std::str::FromStr;

/// Value of `--precision`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// Quantised to this many bits.
    Bits(u32),
    /// As they are stored, in f32.
    Float,
}

impl FromStr for Precision {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("float") {
            return Ok(Self::Float);
        }
        text.parse().map(Self::Bits).map_err(|_| "give bits, 2 to 8, or float")
    }
}

impl Precision {
    /// Bits per stored weight, if it is quantised.
    pub(super) fn bits(self) -> Option<u32> {
        match self {
            Self::Bits(bits) => Some(bits),
            Self::Float => None,
        }
    }

    /// The field of the report.
    pub(super) fn document(self) -> Value {
        self.bits().map_or_else(|| json!("float"), |bits| json!(bits))
    }
}

impl ForwardArgs {
    /// The flag, else what the file says, else floats of an ONNX file without faults, else 8 bits.
    ///
    /// # Errors
    /// Those of [`BaseNet::precision`].
    pub(super) fn precision_of(&self, net: &BaseNet, faults: bool) -> Result<Precision> {
        match self.precision {
            Some(Precision::Float) => Ok(Precision::Float),
            // An ONNX file's weights are floats, and a comparison with what wrote it wants them as they are.
            None if !faults && onnx::is_onnx(&self.weights) => Ok(Precision::Float),
            _ => net.precision(self.precision.and_then(Precision::bits)).map(Precision::Bits),
        }
    }

    /// Refuses faults in floats.
    pub(super) fn check_precision(&self) -> Result<()> {
        let faults = self.ber.is_some() || self.faults.any() || self.eopm;
        if self.precision != Some(Precision::Float) || !faults {
            return Ok(());
        }
        let what = "faults flip bits of quantised words, and these weights are floats";
        let hint = "give the bits of a stored word, as in --precision 8, or leave the faults out";
        Err(Error::argument("--precision", what, hint))
    }
}
