//! Energy of the weight memory, where the voltage of the faults is known.

use serde::{Deserialize, Serialize};

/// Energy of the memory accesses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// Energy saved, in per cent, relative to the base network alone at the nominal voltage; the generator's
    /// own energy is included.
    pub saving_percent: f64,
    /// Energy saved by the base network alone, in per cent. It is absent without a generator, where it is
    /// [`Self::saving_percent`], and in documents that were written before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_saving_percent: Option<f64>,
    /// Supply voltage, relative to the nominal one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voltage: Option<f64>,
    /// Energy of an access at that voltage, relative to an access at the nominal one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_per_access: Option<f64>,
    /// Weight-memory accesses of the base network for one image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_accesses: Option<u64>,
    /// Weight-memory accesses of the generator for one image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_accesses: Option<u64>,
}
