//! ReLU and tanh as a pass of their own, `shaders/elementwise/activation.wgsl`.

use crate::{
    error::Result,
    kernels::plan::{Grid, Plan},
    shape::Nhwc,
};

/// What follows a layer's sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// The sum itself.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// `tanh(x)`.
    Tanh,
}

impl Activation {
    /// Value of the override constant `ACTIVATION` of `shaders/lib/activation.wgsl`.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Relu => 1,
            Self::Tanh => 2,
        }
    }
}

crate::params! {
    /// Uniform block of `shaders/elementwise/activation.wgsl`.
    pub struct ActivationParams {
        /// Groups of four channels in the whole batch.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
    }
}

crate::kernel! {
    "elementwise" / "activation", ActivationParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/activation"],
    bindings: [("x", Read), ("y", ReadWrite)],
}

/// `y = act(x)`; bindings x, y.
///
/// # Errors
/// A shape past 32-bit indices.
pub fn plan(shape: Nhwc, act: Activation) -> Result<Plan> {
    let shape = shape.checked()?;
    let params = ActivationParams { vec4s: shape.vec4s(), c: shape.c };
    let plan =
        Plan::new(&KERNEL, &params, Grid::Items(u64::from(shape.vec4s())), vec![shape.bytes(); 2]);
    Ok(plan.with("ACTIVATION", act.code()))
}
