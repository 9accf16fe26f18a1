//! The cells of a memory, row by row.

use crate::error::{Error, Result};
use std::path::Path;

/// Rows of a memory and cells of a row, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: Option<u64>,
    pub(super) columns: Option<u64>,
}

impl Size {
    /// Refuses a map that gives another size than the layout.
    pub(super) fn agrees(self, file: &Path, wanted: Self) -> Result<()> {
        for (what, here, there) in
            [("rows", self.rows, wanted.rows), ("columns", self.columns, wanted.columns)]
        {
            if let (Some(here), Some(there)) = (here, there)
                && here != there
            {
                let what = format!("the memory has {here} {what}, by --layout {there}");
                return Err(Error::format(file, what, "let both be of one memory"));
            }
        }
        Ok(())
    }
}

/// A memory of rows of bytes; bit j of a byte is bit j of the weight stored in it.
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) row_bytes: usize,
    pub(super) bytes: Vec<u8>,
}

impl Matrix {
    pub(super) fn check_row(file: &Path, cells: usize) -> Result<()> {
        if cells > 0 && cells.is_multiple_of(8) {
            return Ok(());
        }
        let what = format!("its rows have {cells} cells");
        Err(Error::format(file, what, "8 cells store a weight: give a multiple of 8"))
    }

    /// Packs flags, one per cell, into bytes.
    pub(super) fn of_flags(file: &Path, [rows, cells]: [usize; 2], flags: &[bool]) -> Result<Self> {
        Self::check_row(file, cells)?;
        let byte = |cells: &[bool]| (0..8).fold(0, |b, j| b | u8::from(cells[j]) << j);
        Ok(Self { rows, row_bytes: cells / 8, bytes: flags.chunks(8).map(byte).collect() })
    }
}

/// The faulty cells of one file.
pub(super) struct Cells {
    /// Cells that read 1; if `zeros` is `None`, all faulty cells of the file.
    pub(super) ones: Matrix,
    /// Cells that read 0.
    pub(super) zeros: Option<Matrix>,
    pub(super) size_assumed: bool,
    /// Bytes of a word, if the addresses of a list seem to count bytes.
    pub(super) byte_addresses: Option<usize>,
}

impl Cells {
    pub(super) fn of(ones: Matrix, zeros: Option<Matrix>) -> Self {
        Self { ones, zeros, size_assumed: false, byte_addresses: None }
    }
}
