//! Measured maps of a memory, from files.

mod layout;
mod lines;
mod list;
mod matrix;
mod text;

pub use layout::{Layout, Placed};

use super::{CellMap, Mapping, Place};
use crate::{
    error::{Error, Result},
    files::{
        has_mark, is_printable, npy, open_file, recognise,
        safetensors::{self, Dtype},
        sha256,
    },
    words,
};
use matrix::{Cells, Matrix, Size};
use std::{io::Read, path::Path};

/// A measured map and the files that it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The map.
    pub cells: CellMap,
    /// Its file, or its files separated by a comma; empty for a map that was not read from files.
    pub file: String,
    /// SHA-256 of the files, in the same order.
    pub sha256: String,
    /// Where layers lie in the memory, if not one after another.
    pub layout: Option<Layout>,
    /// Whether the size of the memory is unknown, so that it is assumed to end with the last faulty cells of a
    /// list.
    pub size_assumed: bool,
    /// Bytes of a word, if all addresses of a list are multiples of them: they may count bytes, not rows.
    pub byte_addresses: Option<usize>,
}

impl From<CellMap> for Profile {
    fn from(cells: CellMap) -> Self {
        let (file, sha256) = Default::default();
        Self { cells, file, sha256, layout: None, size_assumed: false, byte_addresses: None }
    }
}

impl Profile {
    /// Reads a map as [`load_map`] does, and the file that says where the network's layers lie in it.
    pub fn load<P: AsRef<Path>>(
        files: &[P],
        mapping: Option<Mapping>,
        layout: Option<&Path>,
    ) -> Result<Self> {
        let layout = layout.map(Layout::load).transpose()?;
        let wanted = layout.as_ref().map_or(Size::default(), |layout| layout.size);
        let Found { map: cells, size_assumed, byte_addresses } = read(files, mapping, wanted)?;
        let addressed = layout.as_ref().filter(|layout| layout.has_addresses());
        if let Some(layout) = addressed.filter(|_| cells.mapping == Mapping::Reference) {
            let what = "in the reference mapping every layer begins at row 0";
            let hint = "use --mapping linear, or leave out the addresses";
            return Err(Error::format(&layout.file, what, hint));
        }
        let name = |f: &P| f.as_ref().display().to_string();
        let sums = files.iter().map(sha256).collect::<Result<Vec<_>>>()?;
        let file = files.iter().map(name).collect::<Vec<_>>().join(",");
        Ok(Self { cells, file, sha256: sums.join(","), layout, size_assumed, byte_addresses })
    }

    /// Places of the layers of a network, and the number of words from the memory's start to their end.
    pub fn places(&self, network: &[Placed<'_>]) -> Result<(Vec<Place>, u64)> {
        match self.layout.as_ref().filter(|layout| layout.has_addresses()) {
            Some(layout) => layout.places(network),
            None => {
                let words = network.iter().map(|layer| layer.bytes.div_ceil(4)).sum();
                Ok((Place::of_layers(network.iter().map(|layer| layer.bytes)), words))
            }
        }
    }

    /// How often weights that take `needed` words go through the map; below 1 where they do not reach its end.
    /// `None` for the reference mapping, in which all layers lie over each other.
    pub fn repeated(&self, needed: u64) -> Option<f64> {
        let linear = self.cells.mapping == Mapping::Linear;
        linear.then(|| needed as f64 / f64::from(self.cells.words().max(1)))
    }

    /// Remarks for the user about the map under a network that takes `needed` words, one line each.
    pub fn remarks(&self, needed: u64) -> Vec<String> {
        let cells = |of: u64| words::count(32 * of);
        let held = u64::from(self.cells.words());
        let need = match &self.layout {
            Some(layout) if layout.has_addresses() => "the layout reaches to cell",
            _ => "the weights need",
        };
        let size = format!("the map holds {} cells; {need} {}", cells(held), cells(needed));
        let mut lines = vec![match self.repeated(needed) {
            None => format!(
                "the map holds {} cells; as in the paper's code, every layer begins at its row 0, and a \
                 row serves 256 weights",
                cells(held)
            ),
            Some(times) if times > 1.0 => format!("{size}: it is repeated {times:.2} times"),
            Some(_) => size,
        }];
        if self.size_assumed {
            lines.push(format!(
                "{} does not say how large the memory is: it ends here with the last faulty row and \
                 column. A line '# rows: N, columns: N' says it",
                self.file
            ));
        }
        if let Some(bytes) = self.byte_addresses {
            lines.push(format!(
                "{}: every address is a multiple of {bytes}, the bytes of a word. An address is read as \
                 the row of one word: if it counts bytes, divide it by {bytes}",
                self.file
            ));
        }
        if self.cells.share() == 0.0 {
            lines.push("the map has no faulty cell: nothing fails".into());
        }
        lines
    }
}

/// Bytes of a row of the reference code's memory.
const REFERENCE_ROW: usize = 16;

/// Reads a measured map.
///
/// * One safetensors file: `stuck_at_1` and `stuck_at_0`, u8 `[rows, bytes]`, bit j of a byte = bit j
///   of the stored weight. Its metadata may name the `mapping`.
/// * Two `.npy` or `.csv` matrices `[rows, cells]` of 0 and 1: cells that read 1, then cells that read 0.
/// * One such matrix: faulty cells, which read the opposite of what is stored.
/// * A list of cells as text: `row,column,value`. A list without values is read like a matrix.
///
/// A file with another extension is recognised by its content.
///
/// `mapping` is how weights lie on the cells; `None` takes the mapping that the file names, or else
/// [`Mapping::Linear`].
///
/// # Errors
/// A file that is no map; dimensions that differ or make no whole words; a cell that is stuck at both 0 and 1.
pub fn load_map<P: AsRef<Path>>(files: &[P], mapping: Option<Mapping>) -> Result<CellMap> {
    read(files, mapping, Size::default()).map(|found| found.map)
}

/// A map, and what a [`Profile`] notes about it.
struct Found {
    map: CellMap,
    size_assumed: bool,
    byte_addresses: Option<usize>,
}

/// Like [`load_map`], for a memory of the `wanted` size.
fn read<P: AsRef<Path>>(files: &[P], mapping: Option<Mapping>, wanted: Size) -> Result<Found> {
    let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
    let forms: Vec<MapForm> = files.iter().map(|file| MapForm::of(file)).collect();
    let (pair, named, size_assumed, byte_addresses) = match files[..] {
        [file] if forms[0] != MapForm::Tensors => {
            let Cells { ones, zeros, size_assumed, byte_addresses } =
                cells(file, forms[0], wanted)?;
            match zeros {
                Some(zeros) => ([ones, zeros], None, size_assumed, byte_addresses),
                None => {
                    let map = words_of(file, &ones, mapping, wanted, &ones.bytes, &ones.bytes)?;
                    return Ok(Found { map, size_assumed, byte_addresses });
                }
            }
        }
        [file] => {
            let (pair, named) = stuck(file)?;
            (pair, named, false, None)
        }
        [ones, zeros] if !forms.contains(&MapForm::Tensors) => {
            let [a, b] = [cells(ones, forms[0], wanted)?, cells(zeros, forms[1], wanted)?];
            if a.zeros.is_some() || b.zeros.is_some() {
                let what = "a list says what each cell reads";
                return Err(Error::format(ones, what, "give it alone, or leave out its values"));
            }
            let byte_addresses = a.byte_addresses.or(b.byte_addresses);
            ([a.ones, b.ones], None, a.size_assumed || b.size_assumed, byte_addresses)
        }
        _ => {
            let hint = "give one safetensors file, one .npy or .csv matrix of faulty cells, or two: \
                        cells that read 1, then cells that read 0; or a list: row,column,value";
            return Err(Error::argument("--fault-map", "these are not the files of a map", hint));
        }
    };
    let [ones, zeros] = &pair;
    let file = files[0];
    if (ones.rows, ones.row_bytes) != (zeros.rows, zeros.row_bytes) {
        let what = format!(
            "cells that read 1 are {} rows of {} bytes, those that read 0 {} of {}",
            ones.rows, ones.row_bytes, zeros.rows, zeros.row_bytes
        );
        let hint = "both must be of one memory; of a list '# rows: N, columns: N' says its size";
        return Err(Error::format(file, what, hint));
    }
    if let Some(i) = ones.bytes.iter().zip(&zeros.bytes).position(|(a, b)| a & b != 0) {
        let bit = (ones.bytes[i] & zeros.bytes[i]).trailing_zeros() as usize;
        let (row, cell) = (i / ones.row_bytes, i % ones.row_bytes * 8 + bit);
        let what = format!("cell {cell} of row {row} is stuck at 1 and at 0");
        return Err(Error::format(file, what, "a cell can be in one of the two only"));
    }
    let map = words_of(file, ones, mapping.or(named), wanted, &ones.bytes, &zeros.bytes)?;
    Ok(Found { map, size_assumed, byte_addresses })
}

fn has_extension(file: &Path, names: &[&str]) -> bool {
    file.extension().is_some_and(|e| names.iter().any(|name| e.eq_ignore_ascii_case(name)))
}

/// The format of a file of a map.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MapForm {
    /// Safetensors, or a file that will be refused because it is none.
    Tensors,
    /// NumPy's `.npy`.
    Array,
    Text,
}

impl MapForm {
    /// Recognises a file by a known extension, or else by its content: testers name their lists as they like.
    fn of(file: &Path) -> Self {
        match () {
            () if has_extension(file, &["npy"]) => Self::Array,
            () if has_extension(file, &["csv", "tsv", "txt"]) => Self::Text,
            () if has_extension(file, &["safetensors"]) => Self::Tensors,
            () => Self::of_content(file),
        }
    }

    fn of_content(file: &Path) -> Self {
        let mut head = Vec::new();
        // A file that cannot be opened is refused by the function that reads it.
        let read =
            open_file(file).is_ok_and(|(from, _)| from.take(512).read_to_end(&mut head).is_ok());
        let kind = recognise(&head).map_or("", |(kind, _)| kind);
        match () {
            () if !read => Self::Tensors,
            () if kind == "a NumPy array" => Self::Array,
            () if kind.starts_with("a text") => Self::Text,
            // Text in UTF-16 or Latin-1 is recognised as nothing.
            () if kind.is_empty() && (is_printable(&head) || has_mark(&head)) => Self::Text,
            () => Self::Tensors,
        }
    }
}

/// The cells of a text or `.npy` file.
fn cells(file: &Path, form: MapForm, wanted: Size) -> Result<Cells> {
    match form {
        MapForm::Text => text::read(file, wanted),
        MapForm::Array | MapForm::Tensors => Ok(Cells::of(array(file)?, None)),
    }
}

/// Packs the bytes of a memory into words.
fn words_of(
    file: &Path,
    of: &Matrix,
    mapping: Option<Mapping>,
    wanted: Size,
    ones: &[u8],
    zeros: &[u8],
) -> Result<CellMap> {
    let Matrix { rows, row_bytes, .. } = *of;
    let mapping = mapping.unwrap_or(Mapping::Linear);
    Size { rows: Some(rows as u64), columns: Some(8 * row_bytes as u64) }.agrees(file, wanted)?;
    let refuse = |what: String, hint: &str| Err(Error::format(file, what, hint));
    if ones.is_empty() || !ones.len().is_multiple_of(4) || ones.len() / 4 > u32::MAX as usize {
        let what = format!("{rows} rows of {row_bytes} bytes are no whole number of 32-bit words");
        return refuse(what, "a map covers 4 bytes or a multiple, below 16 GiB");
    }
    if mapping == Mapping::Reference && row_bytes != REFERENCE_ROW {
        let what = format!("its rows have {row_bytes} bytes, those of the reference mapping 16");
        return refuse(what, "use --mapping linear");
    }
    let pack = |bytes: &[u8]| bytes.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b)).collect();
    Ok(CellMap { stuck_at_1: pack(ones), stuck_at_0: pack(zeros), mapping })
}

/// The two matrices of a safetensors file, and the mapping that it names.
fn stuck(file: &Path) -> Result<([Matrix; 2], Option<Mapping>)> {
    let (tensors, metadata) = safetensors::load(file)?;
    let hint = "a map has stuck_at_1 and stuck_at_0, u8 [rows, bytes], bit j of a byte = bit j of \
                the stored weight";
    let get = |name: &str| {
        let Some(tensor) = tensors.get(name) else {
            return Err(Error::format(file, format!("it has no tensor {name}"), hint));
        };
        match tensor.shape[..] {
            [rows, row_bytes] if tensor.dtype == Dtype::U8 => {
                Ok(Matrix { rows, row_bytes, bytes: tensor.bytes.clone() })
            }
            _ => {
                let what = format!("{name} is {} {:?}", tensor.dtype, tensor.shape);
                Err(Error::format(file, what, hint))
            }
        }
    };
    let mapping = metadata.get("mapping").map(|name| name.parse()).transpose();
    let mapping = mapping.map_err(|e: Error| {
        Error::format(file, e.to_string(), "its metadata may say linear or reference")
    })?;
    Ok(([get("stuck_at_1")?, get("stuck_at_0")?], mapping))
}

/// A `.npy` matrix of zeros and ones, a column per cell.
fn array(file: &Path) -> Result<Matrix> {
    let array = npy::load_flags(file)?;
    match array.shape[..] {
        [rows, cells] => Matrix::of_flags(file, [rows, cells], &array.data),
        _ => {
            let what = format!("its shape is {:?}", array.shape);
            Err(Error::format(file, what, "a map is a matrix [rows, cells]"))
        }
    }
}

#[cfg(test)]
mod tests;
