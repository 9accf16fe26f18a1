//! Tests of whole files.

mod evaluate;
mod exports;
mod fixtures;
mod hostile;
mod refusals;
mod write;
