//! The support matrix as text: a row per variant, a column per adapter, the reasons below.

use crate::{
    conformance::{Status, Survey, VariantRow},
    report::{Table, wrap::paragraph},
};

/// The list of adapters, the matrix, and the notes on its cells.
pub(super) fn text(survey: &Survey, width: usize) -> String {
    let mut text = String::new();
    for (i, adapter) in survey.adapters.iter().enumerate() {
        text += &format!("[{i}] {}\n", adapter.line());
    }
    text.push('\n');
    text += &format!("{:width$}", table(survey));
    text.push('\n');
    for i in 0..survey.adapters.len() {
        text += &notes(survey, i, width);
        text += &summary(survey, i);
    }
    for quirk in survey.stale() {
        text += &format!(
            "known mistake that is none any more: {} {} on {}: {}\n",
            quirk.kernel, quirk.variant, quirk.adapter, quirk.reason
        );
    }
    text
}

fn of(survey: &Survey, adapter: usize) -> impl Iterator<Item = &VariantRow> {
    survey.rows.iter().filter(move |row| row.adapter == adapter)
}

fn table(survey: &Survey) -> Table {
    let columns = (0..survey.adapters.len()).map(|i| format!("[{i}]"));
    let mut table = Table::new(["kernel".to_owned()].into_iter().chain(columns));
    for first in of(survey, 0) {
        let is_it = |row: &&VariantRow| (row.kernel, row.variant) == (first.kernel, first.variant);
        let cells = survey.rows.iter().filter(is_it).map(cell);
        table.row([name(first)].into_iter().chain(cells));
    }
    table
}

fn name(row: &VariantRow) -> String {
    format!("{} {}", row.kernel, row.variant)
}

/// A cell of the matrix: the status, and the number of cases that it is about.
fn cell(row: &VariantRow) -> String {
    let status = row.status();
    let number = match status {
        Status::Ok | Status::Part => row.ok,
        Status::Wrong => row.wrong,
        Status::Known => row.known,
        Status::Unsupported | Status::NotRun => return status.name().into(),
    };
    format!("{} {number}", status.name())
}

/// The reasons for statuses, each with all variants that it applies to, since many variants lack the same
/// feature.
fn notes(survey: &Survey, adapter: usize, width: usize) -> String {
    let mut notes: Vec<(String, Vec<String>)> = Vec::new();
    for row in of(survey, adapter) {
        let Some(note) = row.note(&survey.quirks) else { continue };
        let note = format!("{}: {note}", row.status().name());
        match notes.iter_mut().find(|(known, _)| *known == note) {
            Some((_, names)) => names.push(name(row)),
            None => notes.push((note, vec![name(row)])),
        }
    }
    let line = |(note, names): &(String, Vec<String>)| {
        let note = paragraph(&format!("[{adapter}] {note}"), width, 4);
        format!(
            "{note}\n    {}\n",
            paragraph(&names.join(", "), width - 4, 0).replace('\n', "\n    ")
        )
    };
    notes.iter().map(line).collect()
}

/// The number of variants in each status.
fn summary(survey: &Survey, adapter: usize) -> String {
    const ALL: [Status; 6] = [
        Status::Ok,
        Status::Part,
        Status::Wrong,
        Status::Known,
        Status::Unsupported,
        Status::NotRun,
    ];
    let count = |status| of(survey, adapter).filter(|row| row.status() == status).count();
    let counts = ALL.map(|status| (count(status), status.name()));
    let some = counts.iter().filter(|(n, _)| *n > 0);
    let words: Vec<String> = some.map(|(n, name)| format!("{n} {name}")).collect();
    let cases: usize = of(survey, adapter).map(|row| row.ok + row.wrong + row.known).sum();
    format!("[{adapter}] {cases} cases; variants: {}\n", words.join(", "))
}
