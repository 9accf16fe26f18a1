//! Lists of faulty cells, as memory testers write them: a row, a column, and what the cell reads.
//! Testers' columns differ in names, separators and number formats, which no crate for CSV takes care of.

use super::{
    Cells, Matrix, Size,
    lines::{Lines, bit, whole_number},
};
use crate::error::{Error, Result};
use std::{collections::BTreeSet, path::Path};

/// Most cells of a memory that a list describes: a short file must not ask for more memory than there is.
const MOST_CELLS: u64 = 1 << 30;

/// Names that columns may have, as [`plain`] makes them, by role. An address is the row of a memory with one
/// word per row; a bit is the column in it.
const ROLES: [(ColumnRole, &str); 3] = [
    (
        ColumnRole::Row,
        "row address addr word wordline wl wordaddress wordaddr rowaddress rowaddr rowindex",
    ),
    (
        ColumnRole::Column,
        "column col bit cell bitline bl columnaddress columnaddr coladdress coladdr columnindex colindex \
         bitindex",
    ),
    (ColumnRole::Value, "value stuckat stuck stuckvalue stuckatvalue reads val"),
];

/// A name in lower case, without the separators that people write between its parts.
fn plain(word: &str) -> String {
    word.to_lowercase().replace([' ', '_', '.', '-'], "")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ColumnRole {
    Row,
    Column,
    Value,
}

/// Which field of a line has which role.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    row: usize,
    column: usize,
    /// Field of the value that a cell reads. Without it a faulty cell reads the opposite of what is stored.
    value: Option<usize>,
    /// Whether the row is called an address.
    addressed: bool,
    /// Number of fields of a line.
    count: usize,
}

impl Columns {
    /// Whether a line with this number of fields fits.
    pub(super) fn fit(&self, fields: usize) -> bool {
        self.count == fields
    }

    /// The columns of a list without a header.
    pub(super) const USUAL: Self =
        Self { row: 0, column: 1, value: Some(2), addressed: false, count: 3 };

    /// The columns that a header names.
    pub(super) fn named<'a>(
        file: &Path,
        number: usize,
        header: impl Iterator<Item = &'a str>,
    ) -> Result<Self> {
        let wrong = |what: String| {
            let hint = "a list of faulty cells has the columns row (or address), column (or bit) and \
                        value (what the cell reads, 0 or 1)";
            Err(Error::format(file, format!("line {number} {what}"), hint))
        };
        let mut found: [Option<usize>; 3] = [None; 3];
        let (mut count, mut addressed) = (0, false);
        for (at, name) in header.enumerate() {
            count = at + 1;
            let plain = plain(name);
            // pandas writes its index as a column without a name.
            if plain.is_empty() {
                continue;
            }
            let is_it =
                |(_, names): &&(ColumnRole, &str)| names.split(' ').any(|name| name == plain);
            let Some((role, _)) = ROLES.iter().find(is_it) else {
                return wrong(format!(
                    "names a column {name:?}, which says nothing known of a cell"
                ));
            };
            addressed |= matches!(&*plain, "address" | "addr");
            if found[*role as usize].replace(at).is_some() {
                let role = format!("{role:?}").to_lowercase();
                return wrong(format!("names the {role} twice"));
            }
        }
        let [row, column, value] = found;
        match (row, column) {
            (Some(row), Some(column)) => Ok(Self { row, column, value, addressed, count }),
            (None, _) => wrong("names no row".into()),
            (_, None) => wrong("names no column of the row".into()),
        }
    }
}

/// A cell of the list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ListedCell {
    row: u32,
    column: u32,
    line: usize,
    reads: Option<bool>,
}

/// Reads the cells after the first `skip` lines. The memory has the size that the file's comments or `wanted`
/// give; without a size it ends with the last faulty row and column, and its rows have a power of two of cells.
pub(super) fn read(
    file: &Path,
    lines: &Lines<'_>,
    skip: usize,
    columns: Columns,
    wanted: Size,
) -> Result<Cells> {
    let cells =
        lines.iter().skip(skip).map(|(line, text)| cell(file, (line, text), lines, columns));
    let mut cells = cells.collect::<Result<Vec<_>>>()?;
    cells.sort_unstable();
    for pair in cells.windows(2) {
        let [a, b] = [pair[0], pair[1]];
        if (a.row, a.column) == (b.row, b.column) && a.reads != b.reads {
            let what = format!(
                "row {}, column {} reads 0 and 1: lines {} and {}",
                a.row, a.column, a.line, b.line
            );
            return Err(Error::format(file, what, "a stuck cell reads one of the two"));
        }
    }
    let said = lines.size();
    said.agrees(file, wanted)?;
    let said = Size { rows: said.rows.or(wanted.rows), columns: said.columns.or(wanted.columns) };
    let (rows, row_cells) = extent(file, &cells, said)?;
    let row_bytes = (row_cells / 8) as usize;
    let blank =
        || Matrix { rows: rows as usize, row_bytes, bytes: vec![0; rows as usize * row_bytes] };
    let (mut ones, mut zeros) = (blank(), blank());
    let rows_of = cells.iter().map(|cell| cell.row).collect();
    for ListedCell { row, column, reads, .. } in cells {
        let (at, bit) = (row as usize * row_bytes + column as usize / 8, 1 << (column % 8));
        let stuck = |at_this: bool| reads.is_none_or(|reads| reads == at_this);
        if stuck(true) {
            ones.bytes[at] |= bit;
        }
        if stuck(false) {
            zeros.bytes[at] |= bit;
        }
    }
    let assumed = said.rows.is_none() || said.columns.is_none();
    let zeros = columns.value.map(|_| zeros);
    let byte_addresses =
        (columns.addressed && count_bytes(&rows_of, row_bytes)).then_some(row_bytes);
    Ok(Cells { size_assumed: assumed, byte_addresses, ..Cells::of(ones, zeros) })
}

/// Whether the rows may be addresses in bytes, in a memory of words of `word` bytes: all are multiples of
/// `word`, and at least two are not 0, which any way of counting begins with.
fn count_bytes(rows: &BTreeSet<u32>, word: usize) -> bool {
    let multiple = |row: &u32| (*row as usize).is_multiple_of(word);
    word > 1 && rows.iter().filter(|&&row| row > 0).count() > 1 && rows.iter().all(multiple)
}

fn cell(
    file: &Path,
    (line, text): (usize, &str),
    lines: &Lines<'_>,
    columns: Columns,
) -> Result<ListedCell> {
    let wrong = |what: String, hint: &str| Error::format(file, format!("line {line} {what}"), hint);
    let fields: Vec<&str> = lines.separator.split(text).collect();
    if fields.len() != columns.count {
        let what = format!("has {} fields, not {}", fields.len(), columns.count);
        return Err(wrong(what, "each line is one faulty cell: row, column, value"));
    }
    let coordinate = |at: usize, what: &str| {
        let number = whole_number(fields[at]).and_then(|n| u32::try_from(n).ok());
        number.filter(|&n| n < u32::MAX).ok_or_else(|| {
            let hint = "coordinates are whole numbers from 0, or hexadecimal as in 0x1f";
            wrong(format!("has {:?} for a {what}", fields[at]), hint)
        })
    };
    let reads = |at: usize| {
        let word = plain(fields[at]);
        let short = word.strip_prefix("stuckat").or(word.strip_prefix("sa"));
        let said = bit(fields[at]).or_else(|| bit(short?));
        said.ok_or_else(|| {
            let what = format!("has {:?} for what the cell reads, neither 0 nor 1", fields[at]);
            wrong(
                what,
                "the columns are row, column, value; a header says so where they are others",
            )
        })
    };
    Ok(ListedCell {
        row: coordinate(columns.row, "row")?,
        column: coordinate(columns.column, "column")?,
        line,
        reads: columns.value.map(reads).transpose()?,
    })
}

/// Number of rows, and of cells in a row.
fn extent(file: &Path, cells: &[ListedCell], said: Size) -> Result<(u64, u64)> {
    let end =
        |of: fn(&ListedCell) -> u32| cells.iter().map(|c| u64::from(of(c)) + 1).max().unwrap_or(0);
    let columns = said.columns.unwrap_or(end(|c| c.column).next_power_of_two().max(8));
    let rows = said.rows.unwrap_or_else(|| {
        // Four rows of 8 cells make a whole word, or two rows of 16.
        let together = 4 >> (columns / 8).trailing_zeros().min(2);
        end(|c| c.row).max(1).next_multiple_of(together)
    });
    Matrix::check_row(file, columns as usize)?;
    for cell in cells {
        for (what, at, all) in [("row", cell.row, rows), ("column", cell.column, columns)] {
            if u64::from(at) >= all {
                let what = format!("line {}: {what} {at} of a memory of {all} {what}s", cell.line);
                return Err(Error::format(file, what, "coordinates begin at 0"));
            }
        }
    }
    match rows.checked_mul(columns).filter(|&all| all <= MOST_CELLS) {
        Some(_) => Ok((rows, columns)),
        None => {
            let what = format!("{rows} rows of {columns} cells are more than a list can describe");
            let hint = format!("{MOST_CELLS} cells are the most; give larger ones as safetensors");
            Err(Error::format(file, what, hint))
        }
    }
}
