//! The contributions of single bits and layers to the loss of accuracy, and the gain from protecting them.

use serde::{Deserialize, Serialize};

use super::Spread;

/// Accuracies when only one bit position or one layer is faulty, and when the worst are protected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// The fault model, as `--faults` takes it.
    pub faults: String,
    /// Probability that a cell is faulty.
    pub ber: f64,
    /// Seeds of the fault maps.
    pub seeds: Vec<u64>,
    /// Whether the generator was in front.
    pub with_generator: bool,
    /// Accuracy with clean weights, in per cent.
    pub clean: f64,
    /// Accuracy with faults everywhere.
    pub everything: Spread,
    /// Accuracies with a single bit position faulty, beginning with bit 0 (least significant), for all
    /// positions that can fail.
    pub bits: Vec<Part>,
    /// Accuracies with a single layer faulty, in `state_dict` order, for all layers that can fail.
    pub layers: Vec<Part>,
    /// Bit positions protected one after another, those with the greatest loss first; all others stay faulty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected_bits: Vec<Protected>,
    /// Layers protected one after another, those with the greatest loss first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected_layers: Vec<Protected>,
}

/// A bit position or a layer that is the only faulty part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// `bit 7`, or the name of the layer's weights.
    pub name: String,
    /// Stored bits that can be faulty.
    pub stored_bits: u64,
    /// Accuracy.
    pub accuracy: Spread,
    /// Clean accuracy less the mean accuracy, in percentage points.
    pub loss: f64,
}

/// A step of the study, in which one more bit position or layer is protected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Protected {
    /// The bit position or layer that this step adds to the protected ones.
    pub name: String,
    /// Share of the bits that can fail that is protected after this step, in [0, 1].
    pub share: f64,
    /// Accuracy with all parts up to this step protected.
    pub accuracy: Spread,
    /// Gain in mean accuracy over protecting nothing, in percentage points.
    pub gain: f64,
}
