//! The record of an injection: everything that it takes to make the same faulty file again, and what
//! the faults changed.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::eval_json::{Base, FaultDetail};
use crate::{
    error::{Error, Result},
    files::atomic,
};

/// Version of the document.
pub const VERSION: u32 = 1;

/// A faulty copy of a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// [`VERSION`].
    pub version: u32,
    /// Version of the map from seed to cells (`docs/fault-format.md`).
    pub fault_format: u32,
    /// The clean network's file, as it was given.
    pub base_file: String,
    /// The clean network.
    pub base: Base,
    /// Bits per stored weight.
    pub precision: u32,
    /// The fault model, as `--faults` takes it.
    pub faults: String,
    /// Probability that a cell is faulty; of `asymmetric` the mean of its two rates, of a measured map
    /// the share of its cells.
    pub ber: f64,
    /// What else describes the faults.
    #[serde(flatten)]
    pub detail: FaultDetail,
    /// Seed of the map; 0 for a measured one.
    pub seed: u64,
    /// How the weights lie on the cells: `drawn` (cell by cell of the network), `reference`, `linear`.
    pub mapping: String,
    /// Cells that store a bit of a weight.
    pub stored_bits: u64,
    /// Those that are faulty, whether they read differently or not.
    pub faulty_cells: u64,
    /// Stored bits that read differently.
    pub flipped_bits: u64,
    /// The same at bit 0 (least significant), 1, ... of the stored weight.
    pub per_bit: Vec<u64>,
    /// Per layer, in `state_dict` order.
    pub per_layer: Vec<LayerRecord>,
    /// SHA-256 of the faulty file.
    pub file_sha256: String,
    /// Commit of the program.
    pub commit: String,
}

/// One layer of a [`FaultRecord`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Name of its weights.
    pub name: String,
    /// Bits that it stores.
    pub stored_bits: u64,
    /// Cells that are faulty.
    pub faulty_cells: u64,
    /// Bits that read differently.
    pub flips: u64,
}

impl FaultRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Format`] for what is no record, or one of another version.
    pub fn load(path: &Path) -> Result<Self> {
        let text = crate::files::read_text(path)?;
        let hint = "give the .json that `nf-gpu inject` wrote beside a faulty file";
        let record: Self = serde_json::from_str(&text)
            .map_err(|e| Error::format(path, format!("it is no fault record: {e}"), hint))?;
        if record.version != VERSION {
            let what = format!("it is a record of version {}, not {VERSION}", record.version);
            return Err(Error::format(path, what, "use the program that wrote it"));
        }
        Ok(record)
    }

    /// JSON with a newline at the end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Cannot fail: the record has no maps with keys other than text.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Writes the record, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, path: &Path) -> Result<()> {
        atomic::write(path, self.to_json())
    }
}
