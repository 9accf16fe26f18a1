//! One file per kernel: its parameters, its interface and a pure `plan` from shapes to a dispatch.

use crate::kernel::KernelDesc;

macro_rules! declare {
    ($($name:ident),+ $(,)?) => {
        $(pub mod $name;)+
        /// Every kernel, in the order of `src/kernels.rs`.
        pub static KERNELS: &[&KernelDesc] = &[$(&$name::KERNEL),+];
    };
}
crate::for_each_kernel!(declare);
pub mod accumulate;
pub mod chunking;
pub mod operands;
pub mod winograd;
