//! Recognises a file that holds quantised words in place of weights, and refuses it.

use std::path::Path;

use super::safetensors::{Dtype, Raw};
use crate::error::Error;

/// Parts of names that only quantised weights have.
const NAMES: [&str; 10] = [
    "_packed_params",
    "qweight",
    "qzeros",
    "SCB",
    "absmax",
    "quant_map",
    "zero_point",
    "weight_scale",
    "scales",
    "weight_format",
];

/// Whether a tensor of this name belongs to quantised weights.
pub(crate) fn is_quantised(name: &str) -> bool {
    name.split('.').any(|part| NAMES.contains(&part)) || name.contains("quant_state")
}

/// The error for words in place of weights; `sign` is what shows that they are words.
pub(crate) fn words_refused(origin: &Path, sign: &str) -> Error {
    let what = format!("its weights are quantised ({sign}), and nf-gpu takes floats");
    let hint = "export the floats: the state_dict from before torch.ao's convert(), or every weight dequantised \
                (words minus zero point, times scale); nf-gpu quantises them itself, to --precision bits";
    Error::format(origin, what, hint)
}

impl Raw {
    /// Whether the tensor of this name, which should hold a layer's weights, holds numbers that are
    /// no floats.
    pub(super) fn is_words(&self, name: &str) -> bool {
        let weight = name.rsplit('.').next() == Some("weight") || is_quantised(name);
        weight && !self.is_float() && self.dtype != Dtype::BOOL
    }

    /// Whether it is a single integer in which a tool counts, such as `num_batches_tracked`.
    pub(super) fn is_counter(&self) -> bool {
        matches!(self.dtype, Dtype::I64 | Dtype::U64) && self.bytes.len() == 8
    }
}
