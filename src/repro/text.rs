//! The results for human readers: a table on a terminal, a page in Markdown.

use super::{
    cell::{Accuracies, MeanStd},
    results::{CellResult, Results, State},
};
use crate::report::{self, wrap::paragraph};
use std::fmt::Write as _;

/// Columns of the table.
const HEADER: [&str; COLUMNS] = ["cell", "CA", "PA", "CA(NF)", "PA(NF)", "RP"];
const COLUMNS: usize = 6;

impl Results {
    /// The table in plain text, in lines of at most `width` characters, below remarks on how it was made.
    pub fn to_text(&self, width: usize) -> String {
        let mut table = report::Table::new(HEADER);
        for row in &self.cells {
            for line in lines(row) {
                table.row(line);
            }
        }
        let mut text = format!("repro {}: {}, {}\n", self.table, self.dataset, self.title);
        for line in self.remarks() {
            text += &format!("{}\n", paragraph(&line, width, 2));
        }
        text += &format!("\n{table:width$}");
        for line in self.notes() {
            text += &format!("\n{}", paragraph(&line, width, 2));
        }
        text.trim_end().to_owned() + "\n"
    }

    /// The text of `results.md`.
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

    /// Remarks that a reader needs before the numbers.
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

    /// Notes on single cells; a note that applies to many cells is printed once.
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

/// The table lines of a cell: our numbers, the paper's, the difference; for a smoke run our numbers alone.
fn lines(row: &CellResult) -> Vec<[String; COLUMNS]> {
    let line = |name: String, a: &Accuracies, signed| {
        let [ca, pa, ca_nf, pa_nf, rp] = numbers(a, signed);
        [name, ca, pa, ca_nf, pa_nf, rp]
    };
    let paper = line("  paper".into(), &row.paper, false);
    if let Some(ours) = &row.ours {
        let mut lines = vec![line(row.id.clone(), ours, false)];
        if let Some(difference) = &row.difference {
            lines.extend([paper, line("  difference".into(), difference, true)]);
        }
        return lines;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::eval_json,
        repro::{QueuePlan, ReproSettings, table},
    };

    fn results(settings: &ReproSettings, only: &str) -> Results {
        let plan = QueuePlan::new(table("cifar10").unwrap(), Some(only), settings).unwrap();
        Results::new(&plan, settings, "a GPU")
    }

    #[test]
    fn our_numbers_stand_over_the_papers_and_the_difference() {
        let mut results = results(&ReproSettings::default(), "vgg16/DeConvL*");
        results.cells[1].set(&eval_json::sample(), false);
        results.count();
        let text = results.to_text(200);
        let table = "\
cell                               CA           PA  CA(NF)      PA(NF)     RP
─────────────────────────────────────────────────────────────────────────────
vgg16/DeConvL-ber0.01 (not run)
  paper                          90.3   35.7 ± 7.9    89.7  85.5 ± 6.8  +49.8
vgg16/DeConvL-ber0.005           92.6  40.0 ± 10.0    89.8  85.0 ± 5.0  +45.0
  paper                          90.3   66.6 ± 8.1    89.7  88.2 ± 1.0  +21.4
  difference                     +2.3        -26.6    +0.1        -3.2  +23.6
";
        // The rule has gaps between the columns.
        let plain: String = text.replace("─  ─", "────");
        assert!(plain.contains(table), "{text}");
        assert!(text.contains("1 of 2 cells are measured, 1 not run yet"), "{text}");
        assert!(text.contains("adapter a GPU; commit"), "{text}");
        assert!(
            text.ends_with("the paper: RP is printed as 21.4; the difference is 21.6\n"),
            "{text}"
        );
        let page = results.to_markdown();
        assert!(page.contains("| difference | +2.3 | -26.6 | +0.1 | -3.2 | +23.6 |"), "{page}");
        assert!(page.lines().all(|l| !l.starts_with('|') || l.matches('|').count() == 7), "{page}");
    }

    #[test]
    fn nobody_may_mistake_a_shortened_run_for_the_papers() {
        let warns = |settings: &ReproSettings, says: &[&str]| {
            let mut results = results(settings, "*");
            for row in &mut results.cells {
                row.set(&eval_json::sample(), settings.smoke);
            }
            results.only = None;
            results.count();
            for text in [results.to_text(200), results.to_markdown()] {
                for says in says {
                    assert!(text.contains(says), "no {says:?} in {text}");
                }
                assert_eq!(text.contains("NOT the paper's settings"), !says.is_empty(), "{text}");
                for compared in ["difference", "paper  ", "| paper"] {
                    assert!(!settings.smoke || !text.contains(compared), "{compared} in {text}");
                }
            }
            let json: serde_json::Value = serde_json::from_str(&results.to_json()).unwrap();
            assert_eq!(json["cells"][0]["difference"].is_null(), settings.smoke);
            assert_eq!(results.complete, says.is_empty());
        };
        let paper = ReproSettings::default();
        warns(&paper, &[]);
        warns(&paper.clone().smoke(), &["SMOKE RUN: these numbers mean nothing", "random weights"]);
        warns(&ReproSettings { epochs: 3, ..paper.clone() }, &["generators had 3 epochs (150)"]);
        warns(&ReproSettings { steps: Some(1), ..paper.clone() }, &["had 1 step (150 epochs)"]);
        warns(
            &ReproSettings { base_epochs: 9, ..paper.clone() },
            &["base networks had 9 epochs (100)"],
        );
        warns(
            &ReproSettings { base_steps: Some(9), ..paper.clone() },
            &["base networks had 9 steps"],
        );
        warns(&ReproSettings { images: Some(100), ..paper.clone() }, &["100 test images (all)"]);
        warns(
            &ReproSettings { seeds: vec![1], ..paper.clone() },
            &["1 fault map, seeds 1 (50000 to"],
        );
        let others = ReproSettings { seeds: (1..11).collect(), ..paper.clone() };
        warns(&others, &["10 fault maps, seeds 1, 2, 3"]);
        warns(
            &ReproSettings { batch_size: Some(32), ..paper.clone() },
            &["batches of 32 images (256"],
        );
        warns(&ReproSettings { faults: "flip".into(), ..paper }, &["faults: flip (reference)"]);
    }

    #[test]
    fn the_same_remark_is_made_once() {
        let settings = ReproSettings::default();
        let plan = QueuePlan::new(table("transfer").unwrap(), None, &settings).unwrap();
        let text = Results::new(&plan, &settings, "a GPU").to_text(200);
        assert_eq!(text.matches("two base networks at once").count(), 1, "{text}");
        assert!(
            text.contains("(20 cells): its generator is trained on two base networks"),
            "{text}"
        );
    }
}
