//! Maps as text: a matrix of zeros and ones, or a list of cells.

use super::{
    Cells, Matrix, Size,
    lines::{Lines, bit, whole_number},
    list,
};
use crate::{
    error::{Error, Result},
    files::read_text,
};
use std::path::Path;

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
