//! Reads reports from files.

use std::path::Path;

use serde_json::Value;

use super::{Report, VERSION};
use crate::{
    error::{Error, Result},
    files::read_text,
};

const HINT: &str = "make one with `nf-gpu bench --out FILE`";

/// Reads a report. Of documents without a version, everything that is understood is read: these may lack
/// bytes, ceilings or steps.
///
/// # Errors
/// [`Error::Read`]; [`Error::Format`] for a file that is not a report, or is one of a later version.
pub fn load(path: impl AsRef<Path>) -> Result<Report> {
    let path = path.as_ref();
    let text = read_text(path)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Report> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench.json");
        std::fs::write(&path, text).unwrap();
        load(&path)
    }

    fn document() -> Value {
        json!({
            "version": 1,
            "adapter": {"name": "GPU", "backend": "vulkan", "driver": "1", "f16": true},
            "commit": "abc",
            "cases": [{"case": "add", "variant": "plain", "shape": "[4]", "flops": 4, "samples": 3,
                       "lower_ms": 1.0, "median_ms": 2.0, "upper_ms": 3.0, "gflops": 1.0}],
            "later": "a field that this version does not know",
        })
    }

    #[test]
    fn what_was_written_is_read() {
        let report = read(&document().to_string()).unwrap();
        assert_eq!((report.adapter.name.as_str(), report.cases[0].times.median_ms), ("GPU", 2.0));
        assert_eq!(report.adapter.limits["f16"], true);
        assert!(report.cases[0].chosen && report.steps.is_empty());
        assert_eq!(read(&report.document().to_string()).unwrap(), report);
    }

    #[test]
    fn reports_without_a_version_are_old_ones() {
        let mut old = document();
        old.as_object_mut().unwrap().remove("version");
        assert_eq!(read(&old.to_string()).unwrap().version, 0);
    }

    #[test]
    fn what_is_no_report_says_what_is_wrong() {
        let with = |field: &str, value: Value| {
            let mut document = document();
            document[field] = value;
            document.to_string()
        };
        let mut slow = document();
        slow["cases"][0]["median_ms"] = json!(-1.0);
        let mut textual = document();
        textual["cases"][0]["flops"] = json!("many");
        for (text, says) in [
            ("{", "is not JSON"),
            ("[1, 2]", "no \"adapter\""),
            (r#"{"adapter": {}, "version": 1}"#, "no \"cases\""),
            (&with("version", json!(2)), "version 2"),
            (&with("version", json!("new")), "version \"new\""),
            (&with("cases", json!({})), "no bench report"),
            (&slow.to_string(), "took -1 ms"),
            (&textual.to_string(), "no bench report"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert!(error.hint().is_some(), "{error}");
        }
        assert!(matches!(load("no/such/file"), Err(Error::Read { .. })));
    }
}
