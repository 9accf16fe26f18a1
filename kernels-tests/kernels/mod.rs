//! Shaders: each against its CPU twin, values of third parties, translators and lints.

pub(crate) mod browser;
pub(crate) mod conformance;
pub(crate) mod cooperative;
pub(crate) mod gradients;
pub(crate) mod gradients_norm;
pub(crate) mod gradients_torch;
pub(crate) mod interface;
pub(crate) mod lints;
pub(crate) mod onnx;
pub(crate) mod optimizers;
pub(crate) mod shader_mutants;
pub(crate) mod shaders;
pub(crate) mod tint;
pub(crate) mod translate;
pub(crate) mod tuning;
pub(crate) mod web;
pub(crate) mod winograd;
