//! Measured maps of a memory, from files.

use super::{CellMap, Mapping};
use crate::{
    error::{Error, Result},
    files::{
        npy, read_text,
        safetensors::{self, Dtype},
        sha256,
    },
};
use std::path::Path;

/// A measured map and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The map.
    pub cells: CellMap,
    /// Its file, or its files separated by a comma; empty when it was made here.
    pub file: String,
    /// Their SHA-256, in the same order.
    pub sha256: String,
}

impl From<CellMap> for Profile {
    fn from(cells: CellMap) -> Self {
        Self { cells, file: String::new(), sha256: String::new() }
    }
}

impl Profile {
    /// Reads a map, as [`load_map`] does.
    ///
    /// # Errors
    /// As [`load_map`].
    pub fn load<P: AsRef<Path>>(files: &[P], mapping: Option<Mapping>) -> Result<Self> {
        let cells = load_map(files, mapping)?;
        let name = |f: &P| f.as_ref().display().to_string();
        let sums = files.iter().map(sha256).collect::<Result<Vec<_>>>()?;
        let file = files.iter().map(name).collect::<Vec<_>>().join(",");
        Ok(Self { cells, file, sha256: sums.join(",") })
    }
}

/// Bytes of a row of the reference code's memory.
const REFERENCE_ROW: usize = 16;

/// A memory of rows of bytes; bit j of a byte is bit j of the weight stored in it.
struct Matrix {
    rows: usize,
    row_bytes: usize,
    bytes: Vec<u8>,
}

/// Reads a measured map.
///
/// * One safetensors file: `stuck_at_1` and `stuck_at_0`, u8 `[rows, bytes]`, bit j of a byte = bit j
///   of the stored weight. Its metadata may name the `mapping`.
/// * Two `.npy` or `.csv` matrices `[rows, cells]` of 0 and 1: cells that read 1, then cells that read 0.
/// * One such matrix: faulty cells, which read the opposite of what is stored.
///
/// `mapping` is how weights lie on the cells; by default what the file says, else
/// [`Mapping::Linear`].
///
/// # Errors
/// A file that is no map; dimensions that differ or are no whole words; a cell that is stuck at both.
pub fn load_map<P: AsRef<Path>>(files: &[P], mapping: Option<Mapping>) -> Result<CellMap> {
    let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
    let (pair, named) = match files[..] {
        [file] if is_matrix(file) => {
            let faulty = matrix(file)?;
            return words(file, &faulty, mapping, &faulty.bytes, &faulty.bytes);
        }
        [file] => stuck(file)?,
        [ones, zeros] if is_matrix(ones) && is_matrix(zeros) => {
            ([matrix(ones)?, matrix(zeros)?], None)
        }
        _ => {
            let hint = "give one safetensors file, one .npy or .csv matrix of faulty cells, or two: \
                        cells that read 1, then cells that read 0";
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
        return Err(Error::format(file, what, "both must be of one memory"));
    }
    if let Some(i) = ones.bytes.iter().zip(&zeros.bytes).position(|(a, b)| a & b != 0) {
        let bit = (ones.bytes[i] & zeros.bytes[i]).trailing_zeros() as usize;
        let (row, cell) = (i / ones.row_bytes, i % ones.row_bytes * 8 + bit);
        let what = format!("cell {cell} of row {row} is stuck at 1 and at 0");
        return Err(Error::format(file, what, "a cell can be in one of the two only"));
    }
    words(file, ones, mapping.or(named), &ones.bytes, &zeros.bytes)
}

fn is_matrix(file: &Path) -> bool {
    file.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy") || e.eq_ignore_ascii_case("csv"))
}

/// Packs the bytes of a memory into words.
fn words(
    file: &Path,
    of: &Matrix,
    mapping: Option<Mapping>,
    ones: &[u8],
    zeros: &[u8],
) -> Result<CellMap> {
    let Matrix { rows, row_bytes, .. } = *of;
    let mapping = mapping.unwrap_or(Mapping::Linear);
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

/// A `.npy` or `.csv` matrix of zeros and ones, a column per cell.
fn matrix(file: &Path) -> Result<Matrix> {
    let csv = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    let (rows, cells, flags) = if csv { comma_separated(file)? } else { array(file)? };
    if cells == 0 || !cells.is_multiple_of(8) {
        let what = format!("its rows have {cells} cells");
        return Err(Error::format(file, what, "8 cells store a weight: give a multiple of 8"));
    }
    let byte = |cells: &[bool]| (0..8).fold(0, |b, j| b | u8::from(cells[j]) << j);
    Ok(Matrix { rows, row_bytes: cells / 8, bytes: flags.chunks(8).map(byte).collect() })
}

fn array(file: &Path) -> Result<(usize, usize, Vec<bool>)> {
    let array = npy::load_flags(file)?;
    match array.shape[..] {
        [rows, cells] => Ok((rows, cells, array.data)),
        _ => {
            let what = format!("its shape is {:?}", array.shape);
            Err(Error::format(file, what, "a map is a matrix [rows, cells]"))
        }
    }
}

fn comma_separated(file: &Path) -> Result<(usize, usize, Vec<bool>)> {
    let text = read_text(file)?;
    // Spreadsheets begin their files with a byte-order mark.
    let text = text.trim_start_matches('\u{feff}');
    let (mut rows, mut cells, mut flags) = (0, None, Vec::new());
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let before = flags.len();
        for value in line.split(',') {
            flags.push(match value.trim() {
                "0" => false,
                "1" => true,
                other => {
                    let what = format!("line {number} has {other:?}, neither 0 nor 1");
                    let hint = "a map has 1 for a faulty cell, else 0, separated by commas";
                    return Err(Error::format(file, what, hint));
                }
            });
        }
        let here = flags.len() - before;
        if *cells.get_or_insert(here) != here {
            let what = format!("line {number} has {here} cells, the first {}", cells.unwrap_or(0));
            return Err(Error::format(file, what, "all rows have the same number of cells"));
        }
        rows += 1;
    }
    Ok((rows, cells.unwrap_or(0), flags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fault::Place, files::safetensors::Raw};
    use std::{collections::BTreeMap, fs, path::PathBuf};
    use tempfile::TempDir;

    fn save(folder: &TempDir, ones: &Raw, zeros: &Raw, mapping: Option<&str>) -> PathBuf {
        let path = folder.path().join("map.safetensors");
        let tensors = [("stuck_at_1", ones), ("stuck_at_0", zeros)];
        let tensors = tensors.map(|(name, raw)| (name.to_owned(), raw.clone()));
        let metadata = mapping.map(|m| ("mapping".to_owned(), m.to_owned()));
        let metadata: BTreeMap<String, String> = metadata.into_iter().collect();
        safetensors::save(&path, &tensors.into(), &metadata).unwrap();
        path
    }

    fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn the_same_memory_comes_from_every_kind_of_file() {
        let folder = tempfile::tempdir().unwrap();
        // Row 0: bit 7 of byte 0 reads 1; row 1: bit 0 of byte 1 reads 0.
        let (ones, zeros) = ([0x80, 0, 0, 0], [0, 0, 0, 1]);
        let file = save(&folder, &Raw::u8(&[2, 2], &ones), &Raw::u8(&[2, 2], &zeros), None);
        let map = load_map(&[&file], None).unwrap();
        assert_eq!(
            (map.stuck_at_1[..].to_vec(), &map.stuck_at_0[..]),
            (vec![0x80], &[1 << 24][..])
        );
        assert_eq!(map.mapping, Mapping::Linear);
        let zeros_row = vec!["0"; 16].join(",");
        let one = format!("0,0,0,0,0,0,0,1,{}\n{zeros_row}\n", ["0"; 8].join(","));
        let zero = format!("{zeros_row}\n{},1,{}\n\n", ["0"; 8].join(","), ["0"; 7].join(","));
        let pair = [write(&folder, "1.csv", &one), write(&folder, "0.csv", &zero)];
        assert_eq!(load_map(&pair, None).unwrap(), map);
        let mut header = b"\x93NUMPY\x01\0".to_vec();
        let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 16), }";
        header.extend((text.len() as u16).to_le_bytes());
        header.extend(text.bytes());
        let mut cells = [0u8; 32];
        cells[7] = 1;
        let npy = folder.path().join("1.npy");
        fs::write(&npy, [&header[..], &cells].concat()).unwrap();
        assert_eq!(load_map(&[&npy, &pair[1]], None).unwrap(), map);
        // One matrix: faulty cells read the opposite.
        let flips = load_map(&[&npy], None).unwrap();
        assert_eq!((flips.stuck_at_1, flips.stuck_at_0), (vec![0x80], vec![0x80]));
    }

    #[test]
    fn the_mapping_is_what_the_flag_or_the_file_says() {
        let folder = tempfile::tempdir().unwrap();
        let raw = Raw::u8(&[3, 16], &[0; 48]);
        let mapping = |named: Option<&str>, flag| {
            load_map(&[save(&folder, &raw, &raw, named)], flag).map(|map| map.mapping)
        };
        assert_eq!(mapping(Some("reference"), None).unwrap(), Mapping::Reference);
        assert_eq!(mapping(Some("reference"), Some(Mapping::Linear)).unwrap(), Mapping::Linear);
        assert_eq!(mapping(None, Some(Mapping::Reference)).unwrap(), Mapping::Reference);
        assert!(mapping(Some("diagonal"), None).is_err());
        // A memory of three rows begins again after 3 x 256 weights.
        let map = load_map(&[save(&folder, &raw, &raw, Some("reference"))], None).unwrap();
        let place = Place { layer: 1, address: 5 };
        assert_eq!([0, 63, 64, 191, 192].map(|w| map.index(place, w)), [0, 3, 4, 11, 0]);
    }

    #[test]
    fn what_is_no_map_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |files: &[PathBuf], flag, says: &str| {
            let e = load_map(files, flag).unwrap_err();
            let text = format!("{e} {}", e.hint().unwrap());
            assert!(text.contains(says), "{text} lacks {says:?}");
        };
        let raw = |shape: &[usize], bytes: &[u8]| Raw::u8(shape, bytes);
        let file = |ones: &Raw, zeros: &Raw| [save(&folder, ones, zeros, None)];
        let both = raw(&[2, 2], &[0, 0, 4, 0]);
        refused(&file(&both, &both), None, "cell 2 of row 1 is stuck at 1 and at 0");
        refused(&file(&both, &raw(&[1, 4], &[0; 4])), None, "both must be of one memory");
        let odd = raw(&[1, 3], &[0; 3]);
        refused(&file(&odd, &odd), None, "whole number of 32-bit words");
        let none = raw(&[0, 4], &[]);
        refused(&file(&none, &none), None, "whole number");
        let flat = raw(&[4], &[0; 4]);
        refused(&file(&flat, &flat), None, "U8 [4]");
        refused(&file(&Raw::f32(&[1, 1], &[0.0]), &both), None, "F32 [1, 1]");
        let narrow = raw(&[1, 8], &[0; 8]);
        refused(&file(&narrow, &narrow), Some(Mapping::Reference), "--mapping linear");
        let csv = |text: &str| [write(&folder, "x.csv", text)];
        refused(&csv("0,1,0\n"), None, "multiple of 8");
        refused(&csv("0,0,0,0,0,0,0,2\n"), None, "line 1 has \"2\"");
        refused(&csv("0,0,0,0,0,0,0,1\n0\n"), None, "line 2 has 1 cells");
        refused(&csv("\n"), None, "0 cells");
        let two = [file(&both, &both)[0].clone(), csv("0")[0].clone()];
        refused(&two, None, "cells that read 0");
        refused(&[], None, "not the files of a map");
        assert!(load_map(&[folder.path().join("none.npy")], None).is_err());
    }
}
