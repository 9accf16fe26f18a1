//! Tables in plain text.

mod classes;
mod energy;
mod fold;

pub use classes::{confusion, per_class};
pub use energy::{energy, with_energy};

use std::fmt;

use super::wrap;
use crate::{
    fault::Wording,
    report::documents::eval_json::{Description, Evaluation, Perturbed, Sensitivity, Spread},
    words,
};

/// A table in plain text: a header and rows, words aligned to the left, numbers to the right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Indices of the columns that hold words.
    words: Vec<usize>,
    /// Number of columns, from the first on, that name a row.
    names: usize,
}

impl Table {
    /// A table without rows.
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        let header = header.into_iter().map(Into::into).collect();
        Self { header, rows: Vec::new(), words: vec![0], names: 1 }
    }

    /// Adds a row; missing cells stay empty, and cells without a header are kept.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the columns (counted from 0) that hold words: they are aligned to the left, and broken between
    /// words where lines are short. The default is the first column.
    #[must_use]
    pub fn with_words(mut self, columns: &[usize]) -> Self {
        self.words = columns.to_vec();
        self
    }

    /// Sets the number of columns, from the first on, that name a row: they are repeated in every block of
    /// columns. The default is 1.
    #[must_use]
    pub fn named_by(mut self, columns: usize) -> Self {
        self.names = columns;
        self
    }

    fn is_text(&self, column: usize) -> bool {
        self.words.contains(&column)
    }

    fn lines(&self) -> impl Iterator<Item = &Vec<String>> {
        std::iter::once(&self.header).chain(&self.rows)
    }

    /// The maximum of `measure` over the cells of each column.
    fn widths(&self, measure: impl Fn(&str) -> usize) -> Vec<usize> {
        let columns = self.lines().map(Vec::len).max().unwrap_or(0);
        let cells = |c: usize| self.lines().filter_map(move |row| row.get(c));
        (0..columns).map(|c| cells(c).map(|cell| measure(cell)).max().unwrap_or(0)).collect()
    }
}

impl fmt::Display for Table {
    /// Writes header, rule and rows, each with a newline. With a width, as in `{table:80}`, lines are no
    /// longer than that if possible: headings and words take several lines, and columns are split into blocks
    /// below each other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&fold::fold(self, f.width()))
    }
}

/// The final table of `eval`, with a row per fault model and BER: accuracies in per cent, mean ± std over the
/// fault maps; RP in percentage points; flips as the share of stored bits that changed. Energy has a table of
/// its own (`energy`), because ten columns would be wider than a terminal.
pub fn evaluation(e: &Evaluation) -> Table {
    let nf = e.generator.is_some();
    let mut header = vec!["faults", "BER", "maps", "CA", "PA"];
    if nf {
        header.extend(["CA(NF)", "PA(NF)", "RP"]);
    }
    header.push("flipped bits");
    let mut table = Table::new(header).named_by(2);
    for p in &e.perturbed {
        table.row(row(e, p, nf));
    }
    if e.perturbed.is_empty() {
        let mut cells = vec!["none".into(), String::new(), String::new()];
        cells.extend([format!("{:.1}", e.clean.accuracy), String::new()]);
        cells.extend(e.clean.accuracy_nf.map(|a| format!("{a:.1}")));
        table.row(cells);
    }
    table
}

/// The table of [`evaluation`] in lines of `width`, below notes for images without labels and for a share.
pub fn captioned(e: &Evaluation, width: usize) -> String {
    let share = e.shard.as_ref().map(|record| {
        let (shard, maps) = (record.shard, record.seeds.len());
        format!("share {shard} of {maps} fault maps: means and deviations are those of this share")
    });
    let unlabelled = e.dataset.measure().note().map(str::to_owned);
    let line = |note: String| format!("{}\n", wrap::paragraph(&note, width, 0));
    let notes: String = unlabelled.into_iter().chain(share).map(line).collect();
    format!("{notes}{:width$}", evaluation(e))
}

/// The table of a sensitivity study: a row with everything faulty, a row for each bit position and layer that
/// alone is faulty, then a row for each one that is additionally protected. Accuracies are in per cent,
/// changes in percentage points.
pub fn sensitivity(s: &Sensitivity) -> Table {
    let accuracy = if s.with_generator { "PA(NF)" } else { "PA" };
    let mut table = Table::new(["faulty", "of all bits", accuracy, "change"]);
    let all: u64 = s.layers.iter().map(|l| l.stored_bits).sum();
    let share = |bits: f64| words::share(bits, 2);
    let cells = |name: String, of: f64, accuracy: &Spread, change: f64| {
        [name, share(of), spread(accuracy), format!("{change:+.1}")]
    };
    let loss = s.everything.mean - s.clean;
    table.row(cells("everything".into(), 1.0, &s.everything, loss));
    for part in s.bits.iter().chain(&s.layers) {
        let of = part.stored_bits as f64 / all.max(1) as f64;
        table.row(cells(format!("only {}", part.name), of, &part.accuracy, -part.loss));
    }
    for steps in [&s.protected_bits, &s.protected_layers] {
        for (i, step) in steps.iter().enumerate() {
            let and = if i > 0 { "nor" } else { "not" };
            let change = step.accuracy.mean - s.clean;
            let name = format!("{and} {}", step.name);
            table.row(cells(name, 1.0 - step.share, &step.accuracy, change));
        }
    }
    table
}

/// The faults, and their rate.
fn named(p: &Perturbed) -> (String, String) {
    (faults(&p.faults), words::rate(p.ber()))
}

/// The fault model, and its restrictions.
pub fn faults(faults: &Description) -> String {
    faults.words(Wording::Cell).concat()
}

fn spread(s: &Spread) -> String {
    match s.each.len() {
        0 | 1 => format!("{:.1}", s.mean),
        _ => format!("{:.1} ± {:.1}", s.mean, s.std),
    }
}

fn row(e: &Evaluation, p: &Perturbed, nf: bool) -> Vec<String> {
    let (faults, ber) = named(p);
    let mut cells = vec![faults, ber, p.seeds.len().to_string()];
    cells.extend([format!("{:.1}", e.clean.accuracy), spread(&p.accuracy)]);
    if nf {
        let unknown = || "?".to_owned();
        cells.push(e.clean.accuracy_nf.map_or_else(unknown, |a| format!("{a:.1}")));
        cells.push(p.accuracy_nf.as_ref().map_or_else(unknown, spread));
        cells.push(p.recovery.map_or_else(unknown, |r| format!("{r:+.1}")));
    }
    cells.push(flipped(p, |rate| words::share(rate, 3)));
    cells
}

/// The share of stored bits that changed: of the weights, and of biases and activations where these can fail.
pub(crate) fn flipped(p: &Perturbed, share: impl Fn(f64) -> String) -> String {
    let weights = share(p.flipped_bits.mean_rate);
    let beside = [("biases", &p.flipped_bias_bits), ("activations", &p.flipped_activation_bits)];
    let beside = beside.iter().filter_map(|(name, of)| Some((name, of.as_ref()?)));
    let beside = beside.map(|(name, of)| format!(", {name} {}", share(of.mean_rate)));
    let beside: String = beside.collect();
    if beside.is_empty() { weights } else { format!("weights {weights}{beside}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::documents::eval_json::{Clean, FlippedBits, sample, stuck_at};

    #[test]
    fn columns_are_aligned_by_characters() {
        let mut table = Table::new(["name", "value"]);
        table.row(["a", "1.0 ± 0.5"]).row(["longer", "2"]).row(["x"]);
        let wanted = "\
name        value
──────  ─────────
a       1.0 ± 0.5
longer          2
x
";
        assert_eq!(table.to_string(), wanted);
        assert_eq!(Table::default().to_string().trim(), "");
    }

    #[test]
    fn the_evaluation_shows_mean_and_spread_and_no_nf_without_a_generator() {
        let mut e = sample();
        let wanted = "\
faults     BER  maps    CA           PA  CA(NF)      PA(NF)     RP  flipped bits
────────  ────  ────  ────  ───────────  ──────  ──────────  ─────  ────────────
stuck-at  0.01     2  92.6  40.0 ± 10.0    89.8  85.0 ± 5.0  +45.0       0.500 %
";
        assert_eq!(evaluation(&e).to_string(), wanted);

        e.generator = None;
        e.clean = Clean { accuracy: 92.6, ..Clean::default() };
        let one = Perturbed::new(stuck_at(0.01), &[7], &[40.0], None, FlippedBits::default());
        e.perturbed = vec![one];
        let text = evaluation(&e).to_string();
        assert!(!text.contains("NF") && !text.contains("RP"), "{text}");
        assert!(text.contains("stuck-at  0.01     1  92.6  40.0           0 %"), "{text}");

        e.perturbed.clear();
        assert!(evaluation(&e).to_string().contains("92.6"));
    }
}
