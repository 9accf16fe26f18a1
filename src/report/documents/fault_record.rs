//! The record of a fault injection: everything that is needed to make the same faulty file again, and the
//! changes that the faults made.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::eval_json::{Base, Description};
use crate::{
    error::{Error, Result},
    files::atomic,
};

/// Version of the document's format.
pub const VERSION: u32 = 1;

/// A faulty copy of a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// [`VERSION`].
    pub version: u32,
    /// Version of the map from seed to cells (`docs/fault-format.md`).
    pub fault_format: u32,
    /// The clean network's file, as the user named it.
    pub base_file: String,
    /// The clean network.
    pub base: Base,
    /// Bits per stored weight.
    pub precision: u32,
    #[serde(flatten)]
    pub faults: Description,
    /// Seed of the fault map; 0 for a measured map.
    pub seed: u64,
    /// Assignment of weights to cells: `drawn` (cell by cell of the network), `reference`, `linear`.
    pub mapping: String,
    /// Cells that store a bit of a weight.
    pub stored_bits: u64,
    /// Number of these cells that are faulty, whether they read differently or not.
    pub faulty_cells: u64,
    /// Stored bits that read differently.
    pub flipped_bits: u64,
    /// Number of these bits at bit 0 (least significant), 1, ... of the stored weight.
    pub per_bit: Vec<u64>,
    /// Counts per layer, in `state_dict` order.
    pub per_layer: Vec<LayerRecord>,
    /// Counts of biases, where they can fail; the other counts are of weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub biases: Option<FaultCounts>,
    /// SHA-256 of the faulty file.
    pub file_sha256: String,
    /// Commit of the program.
    pub commit: String,
}

/// What faults did to biases, which are words of 32 bits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCounts {
    /// Cells that store a bit of a bias.
    pub stored_bits: u64,
    /// Number of these cells that are faulty.
    pub faulty_cells: u64,
    /// Stored bits that read differently.
    pub flipped_bits: u64,
    /// Number of these bits at bit 0 (least significant), 1, ... of the word.
    pub per_bit: Vec<u64>,
    /// Counts per bias, in the order of their layers.
    pub per_layer: Vec<LayerRecord>,
}

/// One layer of a [`FaultRecord`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Name of the layer's weights.
    pub name: String,
    /// Number of bits that the layer stores.
    pub stored_bits: u64,
    /// Cells that are faulty.
    pub faulty_cells: u64,
    /// Bits that read differently.
    pub flips: u64,
}

impl FaultRecord {
    /// The place of the record of a faulty file: its name with `.json` in the place of `.safetensors` or `.onnx`, or
    /// behind it. That of a file that ends in `.json` itself has the same name, so that both cannot be written.
    pub fn beside(file: &Path) -> PathBuf {
        let ending = file.extension().and_then(|ending| ending.to_str());
        if ending.is_some_and(|ending| ["safetensors", "onnx", "json"].contains(&ending)) {
            return file.with_extension("json");
        }
        let mut name = file.as_os_str().to_owned();
        name.push(".json");
        name.into()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Format`] for a file that is not a record, or is one of another version.
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
    pub fn to_json(&self) -> String {
        // Serialisation cannot fail, because all maps in the record have text as keys.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Writes the record, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        atomic::write(path, self.to_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_points_have_records_of_their_own() {
        for (file, record) in [
            ("f.safetensors", "f.json"),
            ("a.b/f.onnx", "a.b/f.json"),
            ("faulty-0.01", "faulty-0.01.json"),
            ("faulty-0.02", "faulty-0.02.json"),
        ] {
            assert_eq!(FaultRecord::beside(Path::new(file)), Path::new(record));
        }
    }
}
