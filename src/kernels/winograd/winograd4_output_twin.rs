//! Cases of `shaders/winograd/winograd4_output.wgsl`; its twin is [`crate::kernels::winograd::output_twin::winograd_output`].

use crate::{
    error::Result,
    kernels::{
        twin::{Case, Random},
        winograd::{Form, output_twin},
    },
};

/// Cases of [`crate::kernels::winograd::winograd4_output`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    output_twin::cases_of(Form::F4)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    output_twin::random_of(Form::F4, random)
}
