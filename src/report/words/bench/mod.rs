//! Measurements of speed in words: tables in plain text, and reports side by side.

mod comparison;
mod table;

pub use comparison::{Comparison, Row};
pub use table::{case_line, cases, ceilings, compared, step, summary};

use crate::report::documents::bench_json::Adapter;

/// An adapter in one line: name, backend, driver.
#[must_use]
pub fn adapter(adapter: &Adapter) -> String {
    format!("{} ({}, {})", adapter.name, adapter.backend, adapter.driver)
}
