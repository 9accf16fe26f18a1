//! Fits a table into lines of a given width.
//!
//! First headings are broken into several lines, then columns of words. If that is not enough, the columns
//! are split into blocks below each other, each of which begins with the columns that name the rows.

use super::Table;
use crate::report::words::wrap::{cut, longest_part};

/// Characters between two columns.
const GAP: usize = 2;
/// Minimum width of a column of words: in a narrower one every word would be broken.
const LEAST: usize = 10;

/// The table in lines of at most `width` characters, except where numbers, which are never broken, are too
/// wide. Without a `width` it is one block of unbroken rows.
pub(super) fn fold(table: &Table, width: Option<usize>) -> String {
    let widths = table.widths(|cell| cell.chars().count());
    let all: Vec<usize> = (0..widths.len()).collect();
    let Some(width) = width.filter(|width| total(&widths) > *width) else {
        return block(table, &all, &widths);
    };
    let mut narrow = under_short_headings(table, &widths);
    let short = narrow.clone();
    let words: Vec<usize> = all.iter().copied().filter(|&c| table.is_text(c)).collect();
    cap(&mut narrow, &words, width);
    if total(&narrow) <= width {
        // Headings get the width that is left.
        for c in all.iter().copied() {
            let spare = width - total(&narrow);
            narrow[c] += spare.min(widths[c] - narrow[c]);
        }
        return block(table, &all, &narrow);
    }
    let blocks = blocks(table, &short, width);
    let blocks: Vec<String> = blocks.iter().map(|(of, widths)| block(table, of, widths)).collect();
    blocks.join("\n")
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// Widths of the columns if their headings are broken into several lines.
fn under_short_headings(table: &Table, natural: &[usize]) -> Vec<usize> {
    let narrow = |(c, &natural): (usize, &usize)| {
        let cells = table.rows.iter().filter_map(|row| row.get(c));
        let cells = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        let heading = table.header.get(c).map_or(0, |heading| longest_part(heading));
        natural.min(cells.max(heading))
    };
    natural.iter().enumerate().map(narrow).collect()
}

/// Narrows the widest of `columns` step by step, until the line fits or none can be narrowed further.
fn cap(widths: &mut [usize], columns: &[usize], width: usize) {
    while total(widths) > width {
        let Some(&widest) = columns.iter().max_by_key(|&&c| widths[c]) else { return };
        if widths[widest] <= LEAST {
            return;
        }
        widths[widest] -= 1;
    }
}

/// The columns of each block and their widths.
fn blocks(table: &Table, widths: &[usize], width: usize) -> Vec<(Vec<usize>, Vec<usize>)> {
    let names: Vec<usize> = (0..table.names.min(widths.len())).collect();
    let mut of_names: Vec<usize> = names.iter().map(|&c| widths[c]).collect();
    let words: Vec<usize> = names.iter().copied().filter(|&c| table.is_text(c)).collect();
    // At least half of a line is kept for the columns that do not name rows.
    cap(&mut of_names, &words, width / 2);
    let mut blocks: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
    for (c, &own) in widths.iter().enumerate().skip(names.len()) {
        let most = width.saturating_sub(total(&of_names) + GAP);
        let wide = if table.is_text(c) { own.min(most.max(LEAST)) } else { own };
        let fits = |taken: &[usize]| total(taken) + GAP + wide <= width;
        if blocks.last().is_none_or(|(_, taken)| !fits(taken)) {
            blocks.push((names.clone(), of_names.clone()));
        }
        if let Some((columns, taken)) = blocks.last_mut() {
            columns.push(c);
            taken.push(wide);
        }
    }
    if blocks.is_empty() { vec![(names, of_names)] } else { blocks }
}

/// Header, rule and rows of some columns; a newline after each line.
fn block(table: &Table, columns: &[usize], widths: &[usize]) -> String {
    let mut text = String::new();
    for (i, row) in table.lines().enumerate() {
        let cells: Vec<Vec<String>> = columns
            .iter()
            .zip(widths)
            .map(|(&c, &width)| cut(row.get(c).map_or("", String::as_str), width))
            .collect();
        let lines = cells.iter().map(Vec::len).max().unwrap_or(1);
        for at in 0..lines {
            let mut line = String::new();
            for ((cell, &c), &width) in cells.iter().zip(columns).zip(widths) {
                // A heading with fewer lines than others is aligned to the rule below it.
                let skip = if i == 0 { lines - cell.len() } else { 0 };
                let part = at.checked_sub(skip).and_then(|at| cell.get(at));
                let part = part.map_or("", String::as_str);
                if !line.is_empty() || c != columns[0] {
                    line += &" ".repeat(GAP);
                }
                line += &match table.is_text(c) {
                    true => format!("{part:<width$}"),
                    false => format!("{part:>width$}"),
                };
            }
            text += line.trim_end();
            text.push('\n');
        }
        if i == 0 {
            let rules: Vec<String> = widths.iter().map(|&w| "─".repeat(w)).collect();
            text += &rules.join(&" ".repeat(GAP));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide() -> Table {
        let header = ["", "adapter", "driver", "shared memory", "f16"];
        let mut table = Table::new(header).with_words(&[0, 1, 2]);
        table.row([
            "*",
            "llvmpipe (LLVM 15.0.6, 256 bits)",
            "Mesa 22.3.6 of Debian",
            "32768",
            "yes",
        ]);
        table.row(["", "a GPU", "1.2", "49152", "-"]);
        table
    }

    fn widest(text: &str) -> usize {
        text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
    }

    #[test]
    fn what_fits_is_not_touched() {
        let text = fold(&wide(), None);
        assert_eq!(fold(&wide(), Some(widest(&text))), text);
        assert_eq!(text.lines().count(), 4);
    }

    #[test]
    fn headings_and_words_take_several_lines_before_columns_do() {
        let wanted = "
                                                  shared
   adapter                 driver                 memory  f16
─  ──────────────────────  ─────────────────────  ──────  ───
*  llvmpipe (LLVM 15.0.6,  Mesa 22.3.6 of Debian   32768  yes
   256 bits)
   a GPU                   1.2                     49152    -
";
        let text = fold(&wide(), Some(61));
        assert_eq!(format!("\n{text}"), wanted);
        assert!(widest(&text) <= 61, "{text}");
    }

    #[test]
    fn columns_that_do_not_fit_stand_below_under_the_same_names() {
        let mut table = Table::new(["class"].into_iter().chain(["1000.0"; 12]));
        table.row(["cat"].into_iter().chain(["1"; 12])).row(["dog"].into_iter().chain(["2"; 12]));
        for width in [20, 40, 80] {
            let text = fold(&table, Some(width));
            assert!(widest(&text) <= width, "{width}: {text}");
            assert_eq!(text.matches("1000.0").count(), 12, "{text}");
            assert_eq!(text.matches("cat").count(), text.matches("class").count(), "{text}");
        }
    }

    #[test]
    fn a_width_that_nothing_fits_and_tables_of_nothing_are_no_matter() {
        for table in [wide(), Table::default(), Table::new([""; 3]), Table::new(["a".repeat(99)])] {
            for width in [0, 1, 7] {
                let text = fold(&table, Some(width));
                let words = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
                assert!(words(&text) >= words(&fold(&table, None)), "{width}: {text}");
            }
        }
    }
}
