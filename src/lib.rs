//! NeuralFuse on any GPU: hand-written WGSL kernels with a thin wgpu host.
//!
//! `kernel` and `shape` describe work without a GPU; `gpu` runs it; `ops` holds one file per kernel,
//! `reference` its CPU twin, `conformance` what compares the two.

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
pub mod kernel;
mod kernels;
pub mod models;
pub mod nn;
pub mod ops;
pub mod reference;
pub mod report;
pub mod repro;
pub mod shape;
pub mod train;
pub mod tuning;
pub mod words;

pub use error::{Error, Result};
