//! F(4x4, 3x3)'s output transform, `shaders/winograd/winograd4_output.wgsl`; [`crate::kernels::winograd::output::plan`] plans
//! it.

use crate::kernels::winograd::output::WinogradOutputParams;

crate::kernel! {
    "winograd" / "winograd4_output", WinogradOutputParams,
    lib: ["lib/grid", "lib/special", "lib/winograd4", "lib/winograd_output", "lib/epilogue_lane"],
    bindings: [
        ("m", Read),
        ("affine", Read),
        ("residual", Read),
        ("y", ReadWrite),
        ("mask_out", ReadWrite),
    ],
}
