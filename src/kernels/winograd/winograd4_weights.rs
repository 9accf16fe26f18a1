//! F(4x4, 3x3)'s weight transform, `shaders/winograd/winograd4_weights.wgsl`; [`crate::kernels::winograd::weights::plan`] plans
//! it.

use crate::kernels::winograd::weights::WinogradWeightsParams;

crate::kernel! {
    "winograd" / "winograd4_weights", WinogradWeightsParams,
    lib: ["lib/grid", "lib/lanes", "lib/panels", "lib/winograd4", "lib/winograd_weights"],
    bindings: [("w", Read), ("u", ReadWrite)],
}
