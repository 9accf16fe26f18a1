//! Convolution and transposed convolution, forward and input gradient: `shaders/conv/conv2d*.wgsl`.

pub mod cases;
mod class;
mod gather;
mod plan;
pub mod twin;
mod variants;

pub(crate) use class::class_name;
pub use gather::{Conv2d, Epilogue};
pub use plan::{Conv2dParams, KERNEL, mask_bytes, plan};

use crate::kernels::twin::{Suite, suite};
use cases::{cases, random};

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
