//! NumPy's `.npy`, as far as tensors on the command line need it: f32 and i32, C order. It is our own so that a refusal
//! says what to type in Python, and so that no header asks for more memory than its file has.

mod header;
mod reader;

use std::path::Path;

use super::{atomic, read};
use crate::error::{Error, Result};
use header::{Header, MAGIC};
pub(crate) use reader::{ArrayReader, ElementKind, ElementType};

const AGAIN: &str = "copy it again, or save it again with np.save";

/// An array of `T`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array<T> {
    /// Extents, the last one fastest; empty for a scalar.
    pub shape: Vec<usize>,
    /// Elements in row-major (C) order.
    pub data: Vec<T>,
}

/// Reads an array of f32.
///
/// # Errors
/// [`Error::Read`]; [`Error::Format`] for another type or order, and for a damaged file.
pub fn load_f32(path: impl AsRef<Path>) -> Result<Array<f32>> {
    let path = path.as_ref();
    parse_f32(&read::read(path)?, path)
}

/// Like [`load_f32`], from bytes in memory; `name` is what messages call them.
pub fn parse_f32(bytes: &[u8], name: impl AsRef<Path>) -> Result<Array<f32>> {
    let array = parse(bytes, name.as_ref(), &[("<f4", 4)], "float32")?.0;
    Ok(Array { shape: array.shape, data: convert(&array.data, f32::from_le_bytes) })
}

/// Reads an array of i32.
pub fn load_i32(path: impl AsRef<Path>) -> Result<Array<i32>> {
    let path = path.as_ref();
    let array = parse(&read::read(path)?, path, &[("<i4", 4)], "int32")?.0;
    Ok(Array { shape: array.shape, data: convert(&array.data, i32::from_le_bytes) })
}

/// Reads an array of zeros and ones, in any of NumPy's usual types.
///
/// # Errors
/// The errors of [`load_f32`]; [`Error::Format`] for a value that is neither 0 nor 1.
pub fn load_flags(path: impl AsRef<Path>) -> Result<Array<bool>> {
    let path = path.as_ref();
    parse_flags(&read::read(path)?, path)
}

/// Like [`load_flags`], from bytes in memory; `name` is what messages call them.
pub fn parse_flags(bytes: &[u8], name: impl AsRef<Path>) -> Result<Array<bool>> {
    let path = name.as_ref();
    let kinds =
        [("|b1", 1), ("|u1", 1), ("|i1", 1), ("<i4", 4), ("<i8", 8), ("<f4", 4), ("<f8", 8)];
    let (array, descr) = parse(bytes, path, &kinds, "uint8")?;
    let one: &[u8] = match descr {
        "<i4" => &1i32.to_le_bytes(),
        "<i8" => &1i64.to_le_bytes(),
        "<f4" => &1f32.to_le_bytes(),
        "<f8" => &1f64.to_le_bytes(),
        _ => &[1],
    };
    let flag = |(i, bytes): (usize, &[u8])| match bytes {
        b if b == one => Ok(true),
        b if b.iter().all(|&b| b == 0) => Ok(false),
        _ => {
            let what = format!("element {i} is neither 0 nor 1");
            Err(Error::format(path, what, "a map of cells has 1 for a faulty cell, else 0"))
        }
    };
    let data = array.data.chunks(one.len()).enumerate().map(flag).collect::<Result<_>>()?;
    Ok(Array { shape: array.shape, data })
}

/// Writes an array of f32, whole or not at all.
///
/// # Errors
/// [`Error::Shape`] for data that do not fill the shape; [`Error::Write`].
pub fn save_f32(path: impl AsRef<Path>, shape: &[usize], data: &[f32]) -> Result<()> {
    save(path.as_ref(), "<f4", shape, data.len(), data.iter().flat_map(|v| v.to_le_bytes()))
}

/// An array of f32 as the bytes of a file.
///
/// # Errors
/// [`Error::Shape`] for data that do not fill the shape.
pub fn bytes_f32(shape: &[usize], data: &[f32]) -> Result<Vec<u8>> {
    written("<f4", shape, data.len(), data.iter().flat_map(|v| v.to_le_bytes()))
}

/// Writes an array of i32, whole or not at all.
pub fn save_i32(path: impl AsRef<Path>, shape: &[usize], data: &[i32]) -> Result<()> {
    save(path.as_ref(), "<i4", shape, data.len(), data.iter().flat_map(|v| v.to_le_bytes()))
}

fn convert<T>(bytes: &[u8], from: fn([u8; 4]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().copied().map(from).collect()
}

/// The raw elements of an array whose type is one of `kinds` (each with its bytes per element), and
/// that type. `dtype` is the type that the hint suggests for an array of another type.
fn parse<'k>(
    bytes: &[u8],
    path: &Path,
    kinds: &[(&'k str, usize)],
    dtype: &str,
) -> Result<(Array<u8>, &'k str)> {
    let bad = |what: String, hint: &str| Error::format(path, what, hint);
    let Header { descr: found, fortran, shape, data } = header::parse(bytes, path)?;
    let Some(&(descr, size)) = kinds.iter().find(|(descr, _)| *descr == found) else {
        let (what, hint) = header::describe(&found, dtype);
        let expected: Vec<String> = kinds.iter().map(|(descr, _)| format!("'{descr}'")).collect();
        let what = format!("its elements are {what}, expected {}", expected.join(" or "));
        return Err(bad(what, &hint));
    };
    if fortran && shape.len() > 1 {
        let hint = "save it with np.save(path, np.ascontiguousarray(x))";
        return Err(bad("it is in Fortran order".into(), hint));
    }
    let data = &bytes[data..];
    let (needs, there) = (shape.iter().try_fold(size, |n, &d| n.checked_mul(d)), data.len());
    if let Some(more) = needs.and_then(|needs| data.get(needs..)).filter(|more| !more.is_empty()) {
        let second = more.starts_with(MAGIC);
        let what = if second { "a second array follows the first" } else { "it goes on" };
        let what = format!("{what}: its shape {shape:?} does not fit its {there} bytes");
        return Err(bad(what, if second { "np.save each into a file of its own" } else { AGAIN }));
    }
    if needs != Some(there) {
        let what = format!("it is cut off: its shape {shape:?} does not fit its {there} bytes");
        return Err(bad(what, AGAIN));
    }
    Ok((Array { shape, data: data.to_vec() }, descr))
}

fn save(
    path: &Path,
    descr: &str,
    shape: &[usize],
    len: usize,
    bytes: impl Iterator<Item = u8>,
) -> Result<()> {
    atomic::write(path, written(descr, shape, len, bytes)?)
}

/// The bytes of a file.
fn written(
    descr: &str,
    shape: &[usize],
    len: usize,
    bytes: impl Iterator<Item = u8>,
) -> Result<Vec<u8>> {
    if shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) != Some(len) {
        return Err(Error::Shape(format!("{len} elements do not fill {shape:?}")));
    }
    let mut extents = String::new();
    for extent in shape {
        extents += &format!("{extent}, ");
    }
    let extents =
        if shape.len() == 1 { extents.trim_end() } else { extents.trim_end_matches(", ") };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}");
    // The data begin at a multiple of 64; the header ends with a newline.
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len())
        .map_err(|_| Error::Shape(format!("{} dimensions are too many", shape.len())))?;
    let mut file = [MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes()].concat();
    file.extend(bytes);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> tempfile::NamedTempFile {
        let mut bytes = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes()].concat();
        bytes.extend(header.bytes());
        bytes.extend(data);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn arrays_come_back_and_the_bytes_are_numpys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        for shape in [vec![2, 3], vec![6], vec![1, 6, 1]] {
            let data = vec![0.0, -1.5, f32::MAX, 1e-40, 3.0, f32::INFINITY];
            save_f32(&path, &shape, &data).unwrap();
            assert_eq!(load_f32(&path).unwrap(), Array { shape, data });
        }
        save_i32(&path, &[], &[-7]).unwrap();
        assert_eq!(load_i32(&path).unwrap(), Array { shape: vec![], data: vec![-7] });
        save_f32(&path, &[0, 3], &[]).unwrap();
        assert_eq!(load_f32(&path).unwrap().shape, [0, 3]);

        // What numpy 2.4 writes for np.save(path, np.array([1, 2], np.int32)).
        let mut wanted = b"\x93NUMPY\x01\0v\0".to_vec();
        wanted.extend(
            format!("{:<117}\n", "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }")
                .bytes(),
        );
        wanted.extend([1, 0, 0, 0, 2, 0, 0, 0]);
        save_i32(&path, &[2], &[1, 2]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), wanted);
    }

    #[test]
    fn what_is_refused_says_what_to_type_in_python() {
        for (header, data, word, hint) in [
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", 8, "'<f8'", "float32"),
            ("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", 4, "'>f4'", "float32"),
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", 8, "Fortran", "asc"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 8, "8 bytes", "again"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,", 8, "damaged", "again"),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
                0,
                "does not fit",
                "again",
            ),
        ] {
            let file = file(header, &vec![0; data]);
            let error = load_f32(file.path()).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
            assert!(error.hint().unwrap().contains(hint), "{error}");
        }
        let whole = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
        for (data, word) in [
            (&[0; 3][..], "it is cut off"),
            (&[0; 5], "it goes on"),
            (b"\0\0\0\0\x93NUMPY\x01\0", "a second array follows"),
        ] {
            let error = load_f32(file(whole, data).path()).unwrap_err();
            assert!(error.to_string().contains(word) && error.hint().is_some(), "{error}");
        }
        let labels = file("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }", &[0; 8]);
        assert!(load_i32(labels.path()).unwrap_err().hint().unwrap().contains("np.int32"));
    }

    #[test]
    fn zeros_and_ones_come_in_any_type() {
        let flags = |descr: &str, data: &[u8]| {
            let header =
                format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2, 1), }}");
            load_flags(file(&header, data).path())
        };
        let wanted = Array { shape: vec![2, 1], data: vec![true, false] };
        assert_eq!(flags("|u1", &[1, 0]).unwrap(), wanted);
        assert_eq!(flags("|b1", &[1, 0]).unwrap(), wanted);
        let bytes = |one: &[u8]| [one, &vec![0; one.len()]].concat();
        assert_eq!(flags("<i4", &bytes(&1i32.to_le_bytes())).unwrap(), wanted);
        assert_eq!(flags("<i8", &bytes(&1i64.to_le_bytes())).unwrap(), wanted);
        assert_eq!(flags("<f4", &bytes(&1f32.to_le_bytes())).unwrap(), wanted);
        assert_eq!(flags("<f8", &bytes(&1f64.to_le_bytes())).unwrap(), wanted);
        for (descr, data) in [("|u1", &[2, 0][..]), ("<f4", &bytes(&0.5f32.to_le_bytes()))] {
            let e = flags(descr, data).unwrap_err().to_string();
            assert!(e.contains("element 0 is neither 0 nor 1"), "{e}");
        }
        assert!(flags("<f2", &[0; 4]).unwrap_err().hint().unwrap().contains("np.uint8"));
    }

    #[test]
    fn every_cut_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        save_f32(&path, &[2], &[1.0, 2.0]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for end in 0..bytes.len() {
            std::fs::write(&path, &bytes[..end]).unwrap();
            assert!(matches!(load_f32(&path), Err(Error::Format { .. })), "{end}");
        }
        assert!(matches!(save_f32(&path, &[3], &[1.0]), Err(Error::Shape(_))));
    }
}
