//! A survey for machines: one JSON document, and the support matrix as CSV.

use super::{Survey, VariantRow};
use serde_json::{Value, json};

impl VariantRow {
    fn json(&self, survey: &Survey) -> Value {
        json!({
            "adapter": self.adapter,
            "kernel": self.kernel,
            "variant": self.variant,
            "status": self.status().name(),
            "ok": self.ok,
            "wrong": self.wrong,
            "known": self.known,
            "unsupported": self.unsupported,
            "reason": self.note(&survey.quirks),
            "first_wrong": self.first_wrong,
            "first_known": self.first_known.as_ref().map(|(failure, _)| failure),
            "quirk": self.first_known.as_ref().and_then(|&(_, quirk)| survey.quirks.get(quirk)),
        })
    }
}

/// Columns of the support matrix.
const COLUMNS: [&str; 20] = [
    "kernel",
    "variant",
    "adapter",
    "backend",
    "driver",
    "commit",
    "status",
    "ok",
    "wrong",
    "known",
    "unsupported",
    "reason",
    "case",
    "workgroup",
    "binding",
    "element",
    "coordinate",
    "got",
    "want",
    "replay",
];

impl Survey {
    /// The survey as a JSON document; `adapter` of a result is an index into `adapters`.
    pub fn json(&self, commit: &str) -> Value {
        json!({
            "version": 1,
            "commit": commit,
            "all_cases": self.complete(),
            "adapters": self.adapters,
            "results": self.rows.iter().map(|row| row.json(self)).collect::<Vec<_>>(),
            "stale_quirks": self.stale(),
        })
    }

    /// The support matrix: a line per kernel, variant and adapter.
    pub fn csv(&self, commit: &str) -> String {
        let mut text = COLUMNS.join(",") + "\n";
        for row in &self.rows {
            let Some(adapter) = self.adapters.get(row.adapter) else { continue };
            let known = row.first_known.as_ref().map(|(failure, _)| failure);
            let failure = row.first_wrong.as_ref().or(known);
            let element = failure.and_then(|f| f.element.as_ref());
            let cells = [
                row.kernel.into(),
                row.variant.into(),
                adapter.name.clone(),
                adapter.backend.clone(),
                adapter.driver.clone(),
                commit.into(),
                row.status().name().into(),
                row.ok.to_string(),
                row.wrong.to_string(),
                row.known.to_string(),
                row.unsupported.to_string(),
                row.note(&self.quirks).unwrap_or_default(),
                failure.map(|f| f.case.clone()).unwrap_or_default(),
                failure.map(|f| f.workgroup.to_string()).unwrap_or_default(),
                failure.and_then(|f| f.binding.clone()).unwrap_or_default(),
                element.map(|e| e.at.to_string()).unwrap_or_default(),
                element.and_then(|e| e.place.clone()).unwrap_or_default(),
                element.map(|e| e.got.clone()).unwrap_or_default(),
                element.map(|e| e.want.clone()).unwrap_or_default(),
                failure.and_then(|f| f.replay.clone()).unwrap_or_default(),
            ];
            text += &cells.map(|cell| quoted(&cell)).join(",");
            text.push('\n');
        }
        text
    }
}

/// A cell of CSV, in quotes where it must be.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_with_commas_and_quotes_are_quoted() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(quoted("two\nlines"), "\"two\nlines\"");
    }
}
