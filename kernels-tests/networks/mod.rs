//! Whole networks: outputs and gradients against golden values, an evaluator in f64 and PyTorch.

pub(crate) mod any;
mod deploy;
mod dtype;
pub(crate) mod evaluator;
mod floats;
pub(crate) mod forward;
pub(crate) mod golden;
pub(crate) mod golden_bases;
pub(crate) mod kinks;
pub(crate) mod package;
pub(crate) mod python;
pub(crate) mod shipped;
pub(crate) mod whole;
mod words;
