//! The results for people: a table on a terminal, a page in Markdown.

use super::{
    cell::{Accuracies, MeanStd},
    results::{Results, Row, State},
};
use crate::report;
use std::fmt::Write as _;

/// Columns of the table.
const HEADER: [&str; COLUMNS] = ["cell", "CA", "PA", "CA(NF)", "PA(NF)", "RP"];
const COLUMNS: usize = 6;

impl Results {
    /// The table in plain text, under what it was made with.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut table = report::Table::new(HEADER);
        for row in &self.cells {
            for line in lines(row) {
                table.row(line);
            }
        }
        let mut text = format!("repro {}: {}, {}\n", self.table, self.dataset, self.title);
        for line in self.remarks() {
            text += &format!("{line}\n");
        }
        text += &format!("\n{table}");
        for line in self.notes() {
            text += &format!("\n{line}");
        }
        text.trim_end().to_owned() + "\n"
    }

    /// `results.md`.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text =
            format!("# nf-gpu repro {}: {}, {}\n\n", self.table, self.dataset, self.title);
        for line in self.remarks() {
            let _ = writeln!(text, "* {line}");
        }
        let _ = writeln!(text, "\n| {} |", HEADER.join(" | "));
        let _ = writeln!(text, "|---|{}", "---:|".repeat(COLUMNS - 1));
        for row in &self.cells {
            for line in lines(row) {
                let _ = writeln!(text, "| {} |", line.join(" | ").trim_start());
            }
        }
        let notes = self.notes();
        if !notes.is_empty() {
            text += "\n";
        }
        for line in notes {
            let _ = writeln!(text, "* {line}");
        }
        text
    }

    /// What one must know before reading the numbers.
    fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.smoke {
            lines.push(
                "SMOKE RUN: these numbers mean nothing. Networks are random, generators had one step: only \
                 the machinery was tested."
                    .into(),
            );
        }
        if !self.deviations.is_empty() {
            let how = self.deviations.join("; ");
            lines.push(format!("NOT the paper's settings, no reproduction of its numbers: {how}"));
        }
        if let Some(only) = &self.only {
            lines.push(format!("only cells that match {only:?}"));
        }
        let count = |state| self.in_state(state).count();
        let mut cells = format!("{} of {} cells are measured", self.done, self.cells.len());
        for (state, what) in [
            (State::NotRun, "not run yet"),
            (State::Failed, "failed"),
            (State::CannotRun, "cannot be run"),
        ] {
            match count(state) {
                0 => {}
                n => cells += &format!(", {n} {what}"),
            }
        }
        lines.push(cells);
        let given: Vec<&str> =
            self.bases.iter().filter(|b| b.origin == "given").map(|b| b.model.as_str()).collect();
        if !given.is_empty() {
            lines.push(format!("base networks that were given: {}", given.join(", ")));
        }
        let s = &self.settings;
        lines.push(format!(
            "faults {}, {} fault maps, training seed {}; adapter {}; commit {}",
            s.faults,
            s.seeds.len(),
            s.seed,
            self.adapter,
            self.commit
        ));
        lines.push(
            "accuracies in per cent, mean ± population std over fault maps; RP = PA(NF) - PA"
                .into(),
        );
        lines
    }

    /// What one must know of single cells; the same for many is said once.
    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<(String, Vec<&str>)> = Vec::new();
        let mut note = |text: String, id| match notes.iter_mut().find(|(known, _)| *known == text) {
            Some((_, ids)) => ids.push(id),
            None => notes.push((text, vec![id])),
        };
        for row in &self.cells {
            if let Some(why) = &row.why {
                note(why.clone(), &row.id);
            }
            if let Some(text) = &row.note {
                note(format!("the paper: {text}"), &row.id);
            }
        }
        let line = |(text, ids): (String, Vec<&str>)| match ids[..] {
            [first, _, .., last] => format!("{first} to {last} ({} cells): {text}", ids.len()),
            _ => format!("{}: {text}", ids.join(", ")),
        };
        notes.into_iter().map(line).collect()
    }
}

/// The lines of a cell: ours, the paper's, the difference.
fn lines(row: &Row) -> Vec<[String; COLUMNS]> {
    let line = |name: String, a: &Accuracies, signed| {
        let [ca, pa, ca_nf, pa_nf, rp] = numbers(a, signed);
        [name, ca, pa, ca_nf, pa_nf, rp]
    };
    let paper = line("  paper".into(), &row.paper, false);
    if let (Some(ours), Some(difference)) = (&row.ours, &row.difference) {
        let difference = line("  difference".into(), difference, true);
        return vec![line(row.id.clone(), ours, false), paper, difference];
    }
    let state = match row.state {
        State::Failed => "failed",
        State::CannotRun => "cannot be run",
        State::Done | State::NotRun => "not run",
    };
    vec![line(format!("{} ({state})", row.id), &Accuracies::default(), false), paper]
}

fn numbers(a: &Accuracies, signed: bool) -> [String; 5] {
    let plain = |value: Option<f64>| match value {
        Some(value) if signed => format!("{value:+.1}"),
        Some(value) => format!("{value:.1}"),
        None => String::new(),
    };
    let spread = |value: Option<MeanStd>| match value {
        Some(MeanStd { mean, std: Some(std) }) => format!("{mean:.1} ± {std:.1}"),
        Some(MeanStd { mean, std: None }) => plain(Some(mean)),
        None => String::new(),
    };
    let rp = a.rp.map_or_else(String::new, |rp| format!("{rp:+.1}"));
    [plain(a.ca), spread(a.pa), plain(a.ca_nf), spread(a.pa_nf), rp]
}
