//! Reports that others wrote.

use std::{fs, path::Path};

use serde_json::Value;

use super::{Report, VERSION};
use crate::error::{Error, Result};

const HINT: &str = "make one with `nf-gpu bench --out FILE`";

/// Reads a report. Documents from before there were versions are read as far as they go: cases
/// without bytes, ceilings or steps.
///
/// # Errors
/// [`Error::Read`]; [`Error::Format`] for what is no report, or one of a later version.
pub fn load(path: impl AsRef<Path>) -> Result<Report> {
    let path = path.as_ref();
    let text = fs::read_to_string(path).map_err(|e| Error::read(path, e))?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|e| Error::format(path, format!("it is not JSON: {e}"), HINT))?;
    let version = match value.get("version") {
        None => 0,
        Some(version) => version.as_u64().unwrap_or(u64::MAX),
    };
    if version > u64::from(VERSION) {
        let what = format!("it is a report of version {}", value["version"]);
        let hint = format!("this program reads up to version {VERSION}: take a newer one");
        return Err(Error::format(path, what, hint));
    }
    for (field, kind) in [("adapter", "the adapter"), ("cases", "the timed kernels")] {
        if value.get(field).is_none() {
            let what = format!("it is no bench report: it has no {field:?} ({kind})");
            return Err(Error::format(path, what, HINT));
        }
    }
    let report: Report = serde_json::from_value(value)
        .map_err(|e| Error::format(path, format!("it is no bench report: {e}"), HINT))?;
    let finite = |times: &super::Times| times.median_ms.is_finite() && times.median_ms >= 0.0;
    let of_cases = report.cases.iter().map(|c| (&c.case, &c.times));
    let of_steps = report.steps.iter().map(|s| (&s.name, &s.times));
    for (name, times) in of_cases.chain(of_steps) {
        if !finite(times) {
            let what = format!("{name} took {} ms", times.median_ms);
            return Err(Error::format(path, what, HINT));
        }
    }
    Ok(report)
}
