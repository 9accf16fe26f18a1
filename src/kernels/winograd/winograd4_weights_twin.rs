//! Cases of `shaders/winograd/winograd4_weights.wgsl`; its twin is [`crate::kernels::winograd::weights_twin::winograd_weights`].

use crate::{
    error::Result,
    kernels::{
        twin::{Case, Random},
        winograd::{Form, weights_twin},
    },
};

/// Cases of [`crate::kernels::winograd::winograd4_weights`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    weights_twin::cases_of(Form::F4)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    weights_twin::random_of(Form::F4, random)
}
