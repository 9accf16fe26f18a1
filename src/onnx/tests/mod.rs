//! Tests of whole files.

mod evaluate;
mod zoo;
