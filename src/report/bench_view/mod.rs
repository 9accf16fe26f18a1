//! Bench reports for human readers: tables in plain text, kernels under their roofline, several reports side
//! by side.

mod bars;
mod comparison;
mod drawing;
mod roofline;
mod table;

pub use bars::save as save_comparison;
pub use comparison::{Comparison, Row};
pub(crate) use drawing::check_ending;
pub use roofline::save as save_roofline;
pub use table::{case_line, cases, ceilings, compared, step, summary};

use crate::report::bench_json::Adapter;

/// An adapter in one line: name, backend, driver.
#[must_use]
pub fn adapter(adapter: &Adapter) -> String {
    format!("{} ({}, {})", adapter.name, adapter.backend, adapter.driver)
}

/// A rate with three significant digits.
pub(crate) fn rate(v: f64) -> String {
    let digits = match v.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{v:.digits$}")
}
