//! What single bits and layers contribute to the loss of accuracy, and what protecting them buys.

use serde::{Deserialize, Serialize};

use super::Spread;

/// Accuracies when only one bit position or one layer is faulty, and when the worst are protected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// The fault model, as `--faults` takes it.
    pub faults: String,
    /// Probability that a cell is faulty.
    pub ber: f64,
    /// A fault map each.
    pub seeds: Vec<u64>,
    /// Whether the generator was in front.
    pub with_generator: bool,
    /// Accuracy with clean weights, in per cent.
    pub clean: f64,
    /// Accuracy with faults everywhere.
    pub everything: Spread,
    /// Only one bit position faulty, from bit 0 (least significant) on, of those that can fail.
    pub bits: Vec<Part>,
    /// Only one layer faulty, in `state_dict` order, of those that can fail.
    pub layers: Vec<Part>,
    /// Bit positions protected one after another, the one that costs most first; all else is faulty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected_bits: Vec<Protected>,
    /// Layers protected one after another, the one that costs most first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected_layers: Vec<Protected>,
}

/// A bit position or a layer that alone is faulty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// `bit 7`, or the name of the layer's weights.
    pub name: String,
    /// Stored bits that can be faulty.
    pub stored_bits: u64,
    /// Accuracy.
    pub accuracy: Spread,
    /// What it costs: clean accuracy less the mean one, in percentage points.
    pub loss: f64,
}

/// One more bit position or layer protected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Protected {
    /// What is protected from this step on.
    pub name: String,
    /// Share of all bits that could fail that is protected now, in [0, 1].
    pub share: f64,
    /// Accuracy with all of them protected.
    pub accuracy: Spread,
    /// Mean accuracy gained over protecting nothing, in percentage points.
    pub gain: f64,
}
