//! Maps as text: a matrix of zeros and ones, or a list of cells; with the separators and habits of
//! spreadsheets, testers and NumPy.

use super::{Cells, Matrix, Size, list};
use crate::{
    error::{Error, Result},
    files::read_text,
};
use std::path::Path;

/// The separator between two fields of a line.
#[derive(Clone, Copy)]
pub(super) enum Separator {
    Mark(char),
    Blanks,
}

impl Separator {
    fn of(line: &str) -> Self {
        [';', '\t', ','].into_iter().find(|&m| line.contains(m)).map_or(Self::Blanks, Self::Mark)
    }

    /// The fields of a line, without blanks and quotes around them. A separator at the line's end begins no
    /// further field.
    pub(super) fn split(self, line: &str) -> impl Iterator<Item = &str> {
        let line = match self {
            Self::Mark(mark) => line.strip_suffix(mark).unwrap_or(line),
            Self::Blanks => line.trim(),
        };
        let apart = move |c: char| match self {
            Self::Mark(mark) => c == mark,
            Self::Blanks => c.is_whitespace(),
        };
        let fields = line.split(apart).map(|field| field.trim().trim_matches(['"', '\'']).trim());
        fields.filter(move |field| matches!(self, Self::Mark(_)) || !field.is_empty())
    }
}

/// The lines of a text that are not empty, without comments, each with its number.
#[derive(Clone)]
pub(super) struct Lines<'a> {
    text: &'a str,
    pub(super) separator: Separator,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let mut lines = Self { text, separator: Separator::Blanks };
        if let Some((_, first)) = lines.iter().next() {
            lines.separator = Separator::of(first);
        }
        lines
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
        let lines = self.text.lines().map(|line| line.split('#').next().unwrap_or_default());
        // Only spaces are removed: a tab may be a separator.
        let lines = (1..).zip(lines.map(|line| line.trim_matches([' ', '\r'])));
        lines.filter(|(_, line)| !line.trim().is_empty())
    }

    /// Result of `says` for the last comment above a line that gives one.
    fn comment_above<T>(&self, number: usize, says: impl Fn(&'a str) -> Option<T>) -> Option<T> {
        let above = self.text.lines().take(number - 1).collect::<Vec<_>>();
        let comments = above.into_iter().rev().filter_map(|line| line.trim().strip_prefix('#'));
        comments.map(str::trim).find_map(says)
    }

    /// The size of the memory that comments give, as in `# rows: 8192, columns: 128`.
    pub(super) fn size(&self) -> Size {
        let comments = self.text.lines().filter_map(|line| Some(line.split_once('#')?.1));
        comments.filter_map(said).fold(Size::default(), |all, here| Size {
            rows: all.rows.or(here.rows),
            columns: all.columns.or(here.columns),
        })
    }
}

/// The memory's size, if a comment gives that and nothing else: a tester's own words, `failing bits: 1232`, are
/// no size. `rows` and `columns` stand before a colon or an equals sign and a number, in either order, with
/// commas or blanks between them.
fn said(comment: &str) -> Option<Size> {
    let apart = comment.to_lowercase().replace([':', '='], " : ");
    let mut words = apart.trim_start_matches('#').split([',', ';', ' ', '\t', '\r']);
    let mut word = || words.by_ref().find(|word| !word.is_empty());
    let mut size = Size::default();
    while let Some(name) = word() {
        let of = match name {
            "rows" => &mut size.rows,
            "columns" => &mut size.columns,
            _ => return None,
        };
        let number = word().filter(|&mark| mark == ":").and_then(|_| word());
        if of.replace(whole_number(number?)?).is_some() {
            return None;
        }
    }
    Some(size)
}

/// A whole number as people and programs write it: `12`, `0x0c`, `12.0`, `1.2e+01`.
pub(super) fn whole_number(field: &str) -> Option<u64> {
    if let Some(digits) = field.strip_prefix("0x").or(field.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    let float =
        || Some(field).filter(|f| f.starts_with(|c: char| c.is_ascii_digit()))?.parse().ok();
    // Above 2^53 floats do not hold every whole number.
    let whole = |v: &f64| v.fract() == 0.0 && *v < 9e15;
    field.parse().ok().or_else(|| float().filter(whole).map(|v| v as u64))
}

/// Reads a matrix of zeros and ones, or a list of cells. A list is recognised by its header, or by a number
/// above 1 in a file of three columns (which no matrix has).
pub(super) fn read(file: &Path, wanted: Size) -> Result<Cells> {
    let text = read_text(file)?;
    let lines = Lines::of(&text);
    let fields = |line| lines.separator.split(line);
    let Some((number, first)) = lines.iter().next() else {
        let hint = "give a matrix of 0 and 1, or a list of cells under row,column,value";
        return Err(Error::format(file, "it holds nothing", hint));
    };
    let is_number = |field| bit(field).is_some() || whole_number(field).is_some();
    if fields(first).any(|f| f.starts_with(char::is_alphabetic)) && !fields(first).any(is_number) {
        let columns = list::Columns::named(file, number, fields(first))?;
        return list::read(file, &lines, 1, columns, wanted);
    }
    // NumPy writes a header as a comment.
    if let Some(columns) = lines.comment_above(number, |line| {
        list::Columns::named(file, number, fields(line))
            .ok()
            .filter(|c| c.fit(fields(first).count()))
    }) {
        return list::read(file, &lines, 0, columns, wanted);
    }
    if fields(first).count() == 3 {
        let large = |field| bit(field).is_none() && whole_number(field).is_some();
        if lines.iter().any(|(_, line)| fields(line).any(large)) {
            return list::read(file, &lines, 0, list::Columns::USUAL, wanted);
        }
        let what = "three columns of only 0 and 1 are no matrix of whole weights, and may be a list \
                    of cells";
        let hint = "begin a list with the line row,column,value; 8 cells store a weight: a matrix has \
                    a multiple of 8";
        return Err(Error::format(file, what, hint));
    }
    matrix(file, &lines).map(|matrix| Cells::of(matrix, None))
}

/// 0 or 1, as people, programs, `numpy.savetxt` and pandas write them.
pub(super) fn bit(field: &str) -> Option<bool> {
    match field {
        "0" => Some(false),
        "1" => Some(true),
        _ if field.eq_ignore_ascii_case("false") => Some(false),
        _ if field.eq_ignore_ascii_case("true") => Some(true),
        // Not `inf`, `nan` and the like.
        _ if !field.starts_with(|c: char| c.is_ascii_digit()) => None,
        _ => match field.parse::<f64>() {
            Ok(0.0) => Some(false),
            Ok(1.0) => Some(true),
            _ => None,
        },
    }
}

fn matrix(file: &Path, lines: &Lines<'_>) -> Result<Matrix> {
    let (mut rows, mut cells, mut flags) = (0, None, Vec::new());
    for (number, line) in lines.iter() {
        let before = flags.len();
        for field in lines.separator.split(line) {
            flags.push(bit(field).ok_or_else(|| {
                let what = format!("line {number} has {field:?}, neither 0 nor 1");
                let hint = "a matrix has 1 for a faulty cell, else 0; a list of cells begins with the \
                            line row,column,value";
                Error::format(file, what, hint)
            })?);
        }
        let here = flags.len() - before;
        if *cells.get_or_insert(here) != here {
            let what = format!("line {number} has {here} cells, the first {}", cells.unwrap_or(0));
            return Err(Error::format(file, what, "all rows have the same number of cells"));
        }
        rows += 1;
    }
    Matrix::of_flags(file, [rows, cells.unwrap_or(0)], &flags)
}
