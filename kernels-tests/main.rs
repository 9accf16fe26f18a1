//! The conformance suite of the kernels, and the tests of the whole.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests print what they ran on and fail by panicking, helpers outside #[test] too"
)]

mod bench;
mod browser;
mod cli;
mod conformance;
mod cooperative;
mod data;
mod documents;
mod dtype;
mod evaluator;
mod extent;
mod fault_files;
mod fault_rates;
mod faults;
mod files;
mod forward;
mod golden;
mod golden_bases;
mod gradients;
mod gradients_norm;
mod gradients_torch;
mod hostile;
mod interface;
mod kinks;
mod layers;
mod lints;
mod networks;
mod onnx;
mod optimizers;
mod python;
mod report;
mod repro;
mod scripts;
mod shader_mutants;
mod shaders;
mod shipped;
mod streaming;
mod tint;
mod translate;
mod trouble;
mod tuning;
mod web;
mod winograd;
