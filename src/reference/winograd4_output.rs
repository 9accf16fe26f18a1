//! Cases of `shaders/winograd/winograd4_output.wgsl`; its twin is [`super::winograd_output::winograd_output`].

use super::winograd_output;
use crate::{
    conformance::{Case, Random},
    error::Result,
    ops::winograd::Form,
};

/// Cases of [`crate::ops::winograd4_output`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    winograd_output::cases_of(Form::F4)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    winograd_output::random_of(Form::F4, random)
}
