//! NeuralFuse on any GPU: hand-written WGSL kernels with a thin wgpu host.

pub mod cli;
pub mod data;
pub mod error;
pub mod files;
mod font;

pub use error::{Error, Result};
