//! Patterns of faults: lines and clusters of cells beside single ones, as a memory's test says them. A file says the
//! size of the memory and the rates; a seed makes a map of it. `docs/fault-format.md` defines how.

mod draw;

use super::mask::draws_nothing;
use crate::{
    error::{Error, Result},
    files::{read_text, toml_problem},
    words,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

const HINT: &str = "a pattern has the memory's rows and columns, in cells, and at least one of [[line]] with along = \
                    \"row\" or \"column\" and rate, [[cluster]] with rate, rows and columns, [[cell]] with rate";

/// Most cells of a memory: their indices have 32 bits.
const MOST_CELLS: u64 = 1 << 32;

/// Which cells of a memory fail together, and how often. Where entries meet, the first of them decides what a cell
/// reads: lines before clusters before single cells, each in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// Rows of the memory.
    pub rows: u32,
    /// Cells of a row, a multiple of 32.
    pub columns: u32,
    /// Rows and columns that fail, whole or in part.
    #[serde(default, rename = "line", skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineFaults>,
    /// Rectangles of cells that fail.
    #[serde(default, rename = "cluster", skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterFaults>,
    /// Cells that fail each by itself.
    #[serde(default, rename = "cell", skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<CellFaults>,
    /// The file that it is from; empty if from none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
}

/// The direction of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Along {
    /// Cells of one row, which a word line selects.
    Row,
    /// Cells of one column, which share a bit line.
    Column,
}

/// What the cells of an entry read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultEffect {
    /// The opposite of what is stored.
    Flip,
    /// 0 or 1, half of the cells each.
    #[default]
    StuckAt,
    /// 0.
    #[serde(rename = "stuck-at-0")]
    StuckAt0,
    /// 1.
    #[serde(rename = "stuck-at-1")]
    StuckAt1,
    /// 0 or 1, all cells of one line or cluster alike.
    StuckTogether,
}

/// Lines that fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineFaults {
    /// Their direction.
    pub along: Along,
    /// Probability that a row, or a column, has such a line.
    pub rate: f64,
    /// Cells of a line, anywhere on the row or column; all of it if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// Share of its cells that fail.
    #[serde(default = "all")]
    pub share: f64,
    /// What they read.
    #[serde(default)]
    pub effect: FaultEffect,
}

/// Clusters that fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterFaults {
    /// Probability that a cluster begins at a cell, which is its first row and column.
    pub rate: f64,
    /// Rows of a cluster; those beyond the memory are cut off.
    pub rows: u32,
    /// Columns of a cluster.
    pub columns: u32,
    /// Share of its cells that fail.
    #[serde(default = "all")]
    pub share: f64,
    /// What they read.
    #[serde(default)]
    pub effect: FaultEffect,
}

/// Single cells that fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellFaults {
    /// Probability that a cell fails.
    pub rate: f64,
    /// What it reads.
    #[serde(default)]
    pub effect: FaultEffect,
}

fn all() -> f64 {
    1.0
}

impl Pattern {
    /// Reads a pattern (TOML).
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Format`] for what is no pattern, or one without size or rates.
    pub fn load(path: &Path) -> Result<Self> {
        let text = read_text(path)?;
        let wrong = |what: String| Error::format(path, what, HINT);
        let read: Self = toml::from_str(&text).map_err(|e| wrong(toml_problem(&text, &e)))?;
        let pattern = Self { file: path.display().to_string(), ..read };
        pattern.problem().map_or(Ok(pattern), |what| Err(wrong(what)))
    }

    /// What is wrong with it, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        let Self { rows, columns, .. } = *self;
        if rows == 0 || columns == 0 || !columns.is_multiple_of(32) {
            return Some(format!(
                "a memory of {rows} x {columns} cells; a row has whole words of 32 cells"
            ));
        }
        if u64::from(rows) * u64::from(columns) > MOST_CELLS {
            return Some(format!("a memory of {rows} x {columns} cells, more than 2^32"));
        }
        if self.lines.is_empty() && self.clusters.is_empty() && self.cells.is_empty() {
            return Some("it has no faults".into());
        }
        let rates = (self.lines.iter().map(|e| e.rate))
            .chain(self.clusters.iter().map(|e| e.rate))
            .chain(self.cells.iter().map(|e| e.rate));
        let rates: Vec<f64> = rates.collect();
        if let Some(rate) = rates.iter().find(|rate| !(0.0..1.0).contains(*rate)) {
            return Some(format!("a rate of {rate}, which is no probability below 1"));
        }
        if self.cells.iter().any(|e| e.effect == FaultEffect::StuckTogether) {
            return Some(
                "single cells that are stuck together, as lines and clusters may be".into(),
            );
        }
        let shares =
            self.lines.iter().map(|e| e.share).chain(self.clusters.iter().map(|e| e.share));
        let shares: Vec<f64> = shares.collect();
        if let Some(share) = shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
            return Some(format!("a share of {share}, which is not from 0 to 1"));
        }
        if let Some(small) = rates.iter().chain(&shares).find(|p| draws_nothing(**p)) {
            return Some(format!(
                "a rate or share of {small:?}, which draws no cell: at least 2^-32"
            ));
        }
        let long = |line: &&LineFaults| {
            line.length.is_some_and(|length| length == 0 || length > self.extent(line.along))
        };
        if let Some(line) = self.lines.iter().find(long) {
            let (length, extent) = (line.length.unwrap_or(0), self.extent(line.along));
            return Some(format!("a line of {length} cells, where there are {extent}"));
        }
        let empty = |c: &&ClusterFaults| {
            !(1..=rows).contains(&c.rows) || !(1..=columns).contains(&c.columns)
        };
        self.clusters.iter().find(empty).map(|cluster| {
            let (r, c) = (cluster.rows, cluster.columns);
            format!("a cluster of {r} x {c} cells in a memory of {rows} x {columns}")
        })
    }

    /// Cells of a row or a column.
    fn extent(&self, along: Along) -> u32 {
        if along == Along::Row { self.columns } else { self.rows }
    }

    /// Words of the memory, of 32 cells each.
    #[must_use]
    pub fn words(&self) -> u32 {
        (u64::from(self.rows) * u64::from(self.columns) / 32) as u32
    }

    /// Probability that a cell, away from the memory's edges, is one of each entry's.
    fn shares(&self) -> impl Iterator<Item = (f64, FaultEffect)> {
        let line = |e: &LineFaults| {
            let extent = self.extent(e.along);
            let part = f64::from(e.length.unwrap_or(extent)) / f64::from(extent);
            (e.rate * part * e.share, e.effect)
        };
        let cluster = |e: &ClusterFaults| {
            let origins = f64::from(e.rows) * f64::from(e.columns);
            (e.share * (1.0 - (1.0 - e.rate).powf(origins)), e.effect)
        };
        let lines = self.lines.iter().map(line);
        let cells = self.cells.iter().map(|e| (e.rate, e.effect));
        lines.chain(self.clusters.iter().map(cluster)).chain(cells)
    }

    /// Expected share of the memory's cells that fail.
    #[must_use]
    pub fn share(&self) -> f64 {
        let (mut left, mut sum) = (1.0, 0.0);
        for (share, _) in self.shares() {
            sum += left * share;
            left *= 1.0 - share;
        }
        sum
    }

    /// Expected share of the cells that read 1 where 0 is stored, and 0 where 1 is.
    #[must_use]
    pub fn directed(&self) -> [f64; 2] {
        let (mut left, mut both) = (1.0, [0.0; 2]);
        for (share, effect) in self.shares() {
            let [to_1, to_0] = match effect {
                FaultEffect::Flip => [1.0, 1.0],
                FaultEffect::StuckAt | FaultEffect::StuckTogether => [0.5, 0.5],
                FaultEffect::StuckAt0 => [0.0, 1.0],
                FaultEffect::StuckAt1 => [1.0, 0.0],
            };
            both = [both[0] + left * share * to_1, both[1] + left * share * to_0];
            left *= 1.0 - share;
        }
        both
    }

    /// A remark for the user where a network takes more than the `needed` words of the memory.
    #[must_use]
    pub fn remark(&self, needed: u64) -> Option<String> {
        let there = u64::from(self.words());
        let cells = |of: u64| words::count(32 * of);
        let times = needed as f64 / there.max(1) as f64;
        (needed > there).then(|| {
            format!(
                "the pattern's memory holds {} cells; the weights need {}: it is repeated {times:.2} times",
                cells(there),
                cells(needed)
            )
        })
    }

    /// In words: `lines, clusters in 4096x256 cells`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let kinds = [
            ("lines", self.lines.len()),
            ("clusters", self.clusters.len()),
            ("single cells", self.cells.len()),
        ];
        let there = kinds.into_iter().filter(|(_, count)| *count > 0);
        let names: Vec<&str> = there.map(|(name, _)| name).collect();
        format!("{} in {}x{} cells", names.join(", "), self.rows, self.columns)
    }
}

#[cfg(test)]
mod tests;
