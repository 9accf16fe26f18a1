//! Gradient of ReLU and tanh from their output, `shaders/elementwise/activation_grad.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise::activation::Activation,
        plan::{Grid, Plan},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/elementwise/activation_grad.wgsl`.
    pub struct ActivationGradParams {
        /// Groups of four channels in the whole batch.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
    }
}

crate::kernel! {
    "elementwise" / "activation_grad", ActivationGradParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/activation"],
    bindings: [("dy", Read), ("y", Read), ("dx", ReadWrite)],
}

/// `dx = dy act'(x)`, the derivative taken from `y = act(x)`; bindings dy, y, dx.
///
/// # Errors
/// A shape past 32-bit indices.
pub fn plan(shape: Nhwc, act: Activation) -> Result<Plan> {
    let shape = shape.checked()?;
    let params = ActivationGradParams { vec4s: shape.vec4s(), c: shape.c };
    let plan =
        Plan::new(&KERNEL, &params, Grid::Items(u64::from(shape.vec4s())), vec![shape.bytes(); 3]);
    Ok(plan.with("ACTIVATION", act.code()))
}
