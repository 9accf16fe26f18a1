//! Cases of `shaders/winograd/winograd4_input.wgsl`; its twin is [`super::winograd_input::winograd_input`].

use super::winograd_input;
use crate::{
    conformance::{Case, Random},
    error::Result,
    ops::winograd::Form,
};

/// Cases of [`crate::ops::winograd4_input`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    winograd_input::cases_of(Form::F4)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    winograd_input::random_of(Form::F4, random)
}
