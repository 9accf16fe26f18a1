//! F(4x4, 3x3)'s input transform, `shaders/winograd/winograd4_input.wgsl`; [`crate::kernels::winograd::input::plan`] plans it.

use crate::kernels::winograd::input::WinogradInputParams;

crate::kernel! {
    "winograd" / "winograd4_input", WinogradInputParams,
    lib: ["lib/grid", "lib/winograd4", "lib/winograd_input"],
    bindings: [("x", Read), ("mask_in", Read), ("v", ReadWrite)],
}
