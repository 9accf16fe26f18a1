//! The map that a pattern has for a seed, cell by cell.

use super::{Along, ClusterFaults, FaultEffect, LineFaults, Pattern};
use crate::fault::{CellMap, Mapping, mask};

/// Streams of the generator beside those of single cells (`mask`): which lines fail and where, where clusters begin,
/// which of their cells fail, and what they read.
const LINES: u32 = 3;
const ORIGINS: u32 = 4;
const SHARES: u32 = 5;
const VALUES: u32 = 6;

impl Pattern {
    /// The map of a seed.
    #[must_use]
    pub fn map(&self, seed: u64) -> CellMap {
        let words = self.words() as usize;
        let (one, zero) = (vec![0; words], vec![0; words]);
        let mut drawing = Drawing { pattern: self, seed, entry: 0, one, zero };
        for entry in &self.lines {
            drawing.lines(entry);
            drawing.entry += 1;
        }
        for entry in &self.clusters {
            drawing.clusters(entry);
            drawing.entry += 1;
        }
        for entry in &self.cells {
            let threshold = mask::threshold(entry.rate);
            for word in 0..self.words() {
                let cells = mask::below(seed, [drawing.entry, word], threshold, SHARES);
                drawing.fail(word, cells, entry.effect, 0);
            }
            drawing.entry += 1;
        }
        CellMap { stuck_at_1: drawing.one, stuck_at_0: drawing.zero, mapping: Mapping::Linear }
    }
}

/// A map while it is drawn.
struct Drawing<'a> {
    pattern: &'a Pattern,
    seed: u64,
    /// Index of the entry among all of the pattern.
    entry: u32,
    /// Cells that read 1, and 0; in both, those that read the opposite.
    one: Vec<u32>,
    zero: Vec<u32>,
}

impl Drawing<'_> {
    fn lines(&mut self, of: &LineFaults) {
        let (across, along) = match of.along {
            Along::Row => (self.pattern.rows, self.pattern.columns),
            Along::Column => (self.pattern.columns, self.pattern.rows),
        };
        let (threshold, length) = (mask::threshold(of.rate), of.length.unwrap_or(along));
        for line in 0..across {
            let [u, at, value, _] = mask::draw(self.seed, [line, self.entry, 0, LINES]);
            if u >= threshold {
                continue;
            }
            // A place from 0 to the last at which the line ends inside.
            let begin = ((u64::from(at) * u64::from(along - length + 1)) >> 32) as u32;
            let end = begin + length;
            match of.along {
                Along::Row => self.cells(line, [begin, end], of.share, of.effect, value),
                Along::Column => {
                    for row in begin..end {
                        self.cells(row, [line, line + 1], of.share, of.effect, value);
                    }
                }
            }
        }
    }

    fn clusters(&mut self, of: &ClusterFaults) {
        let Pattern { rows, columns, .. } = *self.pattern;
        let threshold = mask::threshold(of.rate);
        for word in 0..self.pattern.words() {
            let mut origins = mask::below(self.seed, [self.entry, word], threshold, ORIGINS);
            while origins != 0 {
                let cell = u64::from(word) * 32 + u64::from(origins.trailing_zeros());
                origins &= origins - 1;
                let (row, column) =
                    ((cell / u64::from(columns)) as u32, (cell % u64::from(columns)) as u32);
                let [value, ..] = mask::draw(self.seed, [cell as u32, self.entry, 0, VALUES]);
                let end = column.saturating_add(of.columns).min(columns);
                for row in row..row.saturating_add(of.rows).min(rows) {
                    self.cells(row, [column, end], of.share, of.effect, value);
                }
            }
        }
    }

    /// Lets a share of the cells of a row fail, from one column to another.
    fn cells(
        &mut self,
        row: u32,
        [begin, end]: [u32; 2],
        share: f64,
        effect: FaultEffect,
        value: u32,
    ) {
        let first = u64::from(row) * u64::from(self.pattern.columns);
        for word in begin / 32..end.div_ceil(32) {
            let low = begin.saturating_sub(32 * word);
            let high = (end - 32 * word).min(32);
            let mut cells = (u32::MAX << low) & (u32::MAX >> (32 - high));
            let word = (first / 32) as u32 + word;
            if share < 1.0 {
                let threshold = mask::threshold(share);
                cells &= mask::below(self.seed, [self.entry, word], threshold, SHARES);
            }
            self.fail(word, cells, effect, value);
        }
    }

    /// Lets cells of a word fail that do not yet.
    fn fail(&mut self, word: u32, cells: u32, effect: FaultEffect, value: u32) {
        let (one, zero) = (&mut self.one[word as usize], &mut self.zero[word as usize]);
        let cells = cells & !(*one | *zero);
        if cells == 0 {
            return;
        }
        let ones = match effect {
            FaultEffect::Flip => {
                *zero |= cells;
                u32::MAX
            }
            FaultEffect::StuckAt => mask::draw(self.seed, [word, self.entry, 1, VALUES])[0],
            FaultEffect::StuckAt0 => 0,
            FaultEffect::StuckAt1 => u32::MAX,
            FaultEffect::StuckTogether => 0u32.wrapping_sub(value & 1),
        };
        *one |= cells & ones;
        *zero |= cells & !ones;
    }
}
