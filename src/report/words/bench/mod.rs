//! Measurements of speed in words: tables in plain text, and reports side by side.

mod comparison;
mod table;

pub use comparison::{ComparedRow, Comparison};
pub use table::{case_line, cases, ceilings, compared, growth, powers, step, summary};

use crate::report::documents::bench_json::BenchAdapter;

/// An adapter in one line: name, backend, driver.
pub fn adapter(adapter: &BenchAdapter) -> String {
    format!("{} ({}, {})", adapter.name, adapter.backend, adapter.driver)
}
