//! Cases of `shaders/winograd/winograd4_weights.wgsl`; its twin is [`super::winograd_weights::winograd_weights`].

use super::winograd_weights;
use crate::{
    conformance::{Case, Random},
    error::Result,
    ops::winograd::Form,
};

/// Cases of [`crate::ops::winograd4_weights`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    winograd_weights::cases_of(Form::F4)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    winograd_weights::random_of(Form::F4, random)
}
