//! CPU twins: each kernel as the sum is written, in f64, with the cases that compare the two.
//!
//! A twin shares no code with its kernel, only the definition in the shader's header.

use crate::{conformance::Case, error::Result, kernel::KernelDesc};

/// A kernel and the function that makes its conformance cases.
pub struct Suite {
    /// The kernel.
    pub kernel: &'static KernelDesc,
    /// Its cases: floating-point ones, small-integer ones that must be exact, NaN in padding lanes.
    pub cases: fn() -> Result<Vec<Case>>,
}

macro_rules! declare {
    ($($name:ident),+ $(,)?) => {
        $(pub mod $name;)+
        /// The cases of every kernel, in the order of `src/kernels.rs`.
        pub static SUITES: &[Suite] =
            &[$(Suite { kernel: &crate::ops::$name::KERNEL, cases: $name::cases }),+];
    };
}
crate::for_each_kernel!(declare);
