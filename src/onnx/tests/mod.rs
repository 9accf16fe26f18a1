//! Tests of whole files.

mod evaluate;
mod exports;
mod fixtures;
mod hostile;
mod qdq;
mod quantised;
mod refusals;
mod write;
