//! NeuralFuse on any GPU: hand-written WGSL kernels with a thin wgpu host.

pub mod error;
pub mod files;
pub mod report;

pub use error::{Error, Result};
