//! Cases of `shaders/winograd/winograd4_input.wgsl`; its twin is [`crate::kernels::winograd::input_twin::winograd_input`].

use crate::{
    error::Result,
    kernels::{
        twin::{Case, Random},
        winograd::{Form, input_twin},
    },
};

/// Cases of [`crate::kernels::winograd::winograd4_input`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    input_twin::cases_of(Form::F4)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    input_twin::random_of(Form::F4, random)
}
