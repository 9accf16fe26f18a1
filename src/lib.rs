//! NeuralFuse on any GPU: hand-written WGSL kernels with a thin wgpu host.
//!
//! `shape` and `kernels` describe work without a GPU, every kernel beside its CPU twin; `run` runs it
//! on a device of `gpu`; `conformance` compares the two.

pub mod bench;
pub mod cli;
pub mod conformance;
pub mod data;
pub mod energy;
pub mod error;
pub mod eval;
pub mod fault;
pub mod files;
mod font;
pub mod forward;
pub mod gpu;
pub mod kernels;
pub mod models;
pub mod nn;
pub mod report;
pub mod repro;
pub mod run;
pub mod shape;
pub mod step;
pub mod train;
pub mod tuning;
pub mod words;

pub use error::{Error, Result};
