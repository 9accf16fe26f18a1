//! Tests of whole files.

mod evaluate;
mod fixtures;
mod hostile;
mod refusals;
mod write;
