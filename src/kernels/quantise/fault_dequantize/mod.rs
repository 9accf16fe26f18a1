//! The fused fault kernel: mask, XOR, sign extension, scale, both layouts, counts;
//! `shaders/quantise/fault_dequantize.wgsl`.

mod drawn;
mod layout;
mod plan;
mod stored;
mod twin;

pub(in crate::kernels) use drawn::shader_code;
pub use layout::{laid_out, stored_at, transposed};
pub use plan::{FaultDequantizeParams, KERNEL, of_gradient, plan};
pub use stored::{Order, StoredLayer, Transposed, WordMeaning};

use crate::kernels::twin::{Suite, suite};
use twin::{cases, random};

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
