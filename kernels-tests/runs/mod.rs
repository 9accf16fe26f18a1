//! Runs as wholes through the library: streamed data, lost devices, pages, the queue, times.

pub(crate) mod any_input;
pub(crate) mod bench;
pub(crate) mod ranks;
pub(crate) mod report;
pub(crate) mod repro;
pub(crate) mod streaming;
pub(crate) mod trouble;

use nf_gpu::files::Weights;
use std::path::Path;

/// The bits of tensors, by name: equal numbers of other bits, such as zeros, are told apart.
pub(crate) fn bits(weights: &Weights) -> Vec<(String, Vec<u32>)> {
    let words = |data: &[f32]| data.iter().map(|v| v.to_bits()).collect();
    weights.tensors.iter().map(|(name, tensor)| (name.clone(), words(&tensor.data))).collect()
}

/// The bits of the generator that a run has made.
pub(crate) fn generator_bits(run: &Path) -> Vec<(String, Vec<u32>)> {
    bits(&Weights::load(run.join("generator.safetensors")).unwrap())
}
