//! What the ranks of a training say to each other.

use crate::{
    fault::Flips, kernels::plan::Dtype, nn::Cut, step, train::TrainConfig, tuning::Choices,
};
use serde::{Deserialize, Serialize};

/// From rank 0.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// Begins a run, or begins it again.
    Begin(Box<SharedRun>),
    /// The images of a step: the body holds so many bytes of fused images, then what is wanted of them.
    Images { fused: usize },
    /// The groups of the step that this rank computes.
    Groups(Groups),
    /// Nothing is left to do.
    End,
}

/// A run, as a rank needs it that computes groups.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SharedRun {
    pub(super) commit: String,
    pub(super) config: TrainConfig,
    pub(super) base_sha256: String,
    /// What identifies the faults, their files' contents included.
    pub(super) faults: String,
    pub(super) precision: u32,
    pub(super) half: bool,
    pub(super) cut: Cut,
    /// Bits of the factors, so that they arrive as they were.
    pub(super) factors: Vec<u32>,
    pub(super) loss: step::Loss,
    pub(super) wanted: Vec<u64>,
    /// The variants of kernels that rank 0 runs.
    pub(super) choices: Choices,
}

impl SharedRun {
    /// What steps have in common.
    pub(super) fn terms(&self) -> step::Terms {
        step::Terms {
            cut: self.cut.clone(),
            factors: self.factors.iter().copied().map(f32::from_bits).collect(),
            loss: self.loss,
            wanted: self.wanted.clone(),
        }
    }

    pub(super) fn dtype(&self) -> Dtype {
        if self.half { Dtype::F16 } else { Dtype::F32 }
    }
}

/// Groups of a step, from `first` on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Groups {
    pub(super) first: usize,
    /// Seeds of the copies of each group.
    pub(super) seeds: Vec<Vec<u64>>,
    /// Sums of losses and hits of the copies of each group.
    pub(super) totals: Vec<Vec<u32>>,
}

/// To rank 0.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// The run can begin.
    Ready { host: String, adapter: String },
    /// A group is done, `began` seconds after the images were there; the body holds its gradient.
    Group { group: usize, began: f64, seconds: f64, totals: Vec<u32>, flips: Vec<Vec<Flips>> },
}
