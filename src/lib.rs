//! NeuralFuse on any GPU: hand-written WGSL kernels with a thin wgpu host.
//!
//! `kernel` and `shape` describe work without a GPU; `gpu` runs it; `ops` holds one file per kernel,
//! `reference` its CPU twin, `conformance` what compares the two.

pub mod conformance;
pub mod error;
pub mod files;
pub mod gpu;
pub mod kernel;
mod kernels;
pub mod ops;
pub mod reference;
pub mod report;
pub mod shape;

pub use error::{Error, Result};
