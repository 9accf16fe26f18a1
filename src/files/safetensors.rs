//! Safetensors files of any element type. The container is checked, the names of tensors are not.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

pub use ::safetensors::Dtype;
use ::safetensors::{SafeTensorError, SafeTensors};
use half::{bf16, f16};
use serde_json::json;

use super::{atomic, digest::sha256_of, kind::recognise, read};
use crate::error::{Error, Result};

const AGAIN: &str = "copy or download it again";

/// One tensor as it lies in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// Type of an element.
    pub dtype: Dtype,
    /// Extents, the last one fastest.
    pub shape: Vec<usize>,
    /// Elements, little-endian, in row-major order.
    pub bytes: Vec<u8>,
}

impl Raw {
    /// A tensor of f32.
    pub fn f32(shape: &[usize], data: &[f32]) -> Self {
        let bytes = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }

    /// A tensor of u8.
    pub fn u8(shape: &[usize], data: &[u8]) -> Self {
        Self { dtype: Dtype::U8, shape: shape.to_vec(), bytes: data.to_vec() }
    }

    /// Whether [`Raw::to_f32`] can give its elements.
    pub(super) fn is_float(&self) -> bool {
        matches!(self.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64)
    }

    /// The elements of an F32 tensor, or of an F16, BF16 or F64 one rounded to f32.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        let b = &self.bytes;
        Some(match self.dtype {
            Dtype::F32 => chunks(b).map(f32::from_le_bytes).collect(),
            Dtype::F16 => chunks(b).map(|h| f16::from_le_bytes(h).to_f32()).collect(),
            Dtype::BF16 => chunks(b).map(|h| bf16::from_le_bytes(h).to_f32()).collect(),
            Dtype::F64 => chunks(b).map(|c| f64::from_le_bytes(c) as f32).collect(),
            _ => return None,
        })
    }

    /// Element `i` of an F64 tensor, not rounded.
    pub(super) fn f64_at(&self, i: usize) -> Option<f64> {
        (self.dtype == Dtype::F64).then(|| chunks(&self.bytes).nth(i).map(f64::from_le_bytes))?
    }

    /// The elements of an I32 tensor.
    pub fn to_i32(&self) -> Option<Vec<i32>> {
        (self.dtype == Dtype::I32).then(|| chunks(&self.bytes).map(i32::from_le_bytes).collect())
    }
}

/// What a file holds: tensors by name, and its metadata.
pub type Contents = (BTreeMap<String, Raw>, BTreeMap<String, String>);

/// Reads a file; every length in it is checked against the bytes that are there.
///
/// # Errors
/// [`Error::Read`]; [`Error::Format`] for what is not a whole safetensors file.
pub fn load(path: impl AsRef<Path>) -> Result<Contents> {
    let path = path.as_ref();
    parse(&read::read(path)?, path)
}

/// Like [`load`], from bytes in memory; `name` is what messages call them.
pub fn parse(bytes: &[u8], name: impl AsRef<Path>) -> Result<Contents> {
    let name = name.as_ref();
    // `deserialize` checks the container before anything is allocated for a tensor: shapes times
    // element size equal the offsets, offsets leave no gap, and all of it is in the file.
    let refuse = |e| refusal(name, bytes, &e);
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(refuse)?;
    let file = SafeTensors::deserialize(bytes).map_err(refuse)?;
    let tensors = file
        .iter()
        .map(|(name, view)| {
            let (dtype, shape) = (view.dtype(), view.shape().to_vec());
            (name.to_owned(), Raw { dtype, shape, bytes: view.data().to_vec() })
        })
        .collect();
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok((tensors, metadata))
}

/// The error for a file that is no whole safetensors file, which says what is wrong with it.
fn refusal(name: &Path, bytes: &[u8], error: &SafeTensorError) -> Error {
    if bytes.is_empty() {
        return Error::format(name, "it is empty", AGAIN);
    }
    let length = bytes.first_chunk().map_or(u64::MAX, |n| u64::from_le_bytes(*n));
    let there = bytes.len() as u64;
    if bytes.get(8) != Some(&b'{') {
        let (what, hint) = match recognise(bytes) {
            Some((kind, hint)) => (format!("it is not a safetensors file but {kind}"), hint),
            None => ("it is not a safetensors file".into(), "check that it is the file you meant"),
        };
        return Error::format(name, what, hint);
    }
    let promised = match error {
        SafeTensorError::InvalidHeaderLength => length.saturating_add(8),
        SafeTensorError::MetadataIncompleteBuffer => {
            let end = 8 + usize::try_from(length).unwrap_or(0);
            let header = bytes.get(8..end).unwrap_or_default();
            let data = serde_json::from_slice::<::safetensors::tensor::Metadata>(header);
            data.map_or(0, |m| (end + m.data_len()) as u64)
        }
        _ => 0,
    };
    if promised > there {
        let what = format!("it is cut off: {there} bytes of at least {promised}");
        Error::format(name, what, AGAIN)
    } else {
        Error::format(name, format!("it is a damaged safetensors file: {error}"), AGAIN)
    }
}

/// Writes a file; the same contents give the same bytes.
///
/// # Errors
/// [`Error::Shape`] for a tensor whose bytes are not what its shape says; [`Error::Write`].
pub fn save(
    path: impl AsRef<Path>,
    tensors: &BTreeMap<String, Raw>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let (header, order) = header(tensors, metadata)?;
    atomic::write_with(path, |out| write(out, &header, &order))
}

/// Like [`save`], but the file that was there stays as `previous`.
pub fn save_keeping(
    path: impl AsRef<Path>,
    previous: impl AsRef<Path>,
    tensors: &BTreeMap<String, Raw>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let (header, order) = header(tensors, metadata)?;
    atomic::write_keeping(path, previous, |out| write(out, &header, &order))
}

/// SHA-256 of the file that [`save`] would write.
pub fn sha256(
    tensors: &BTreeMap<String, Raw>,
    metadata: &BTreeMap<String, String>,
) -> Result<String> {
    let (header, order) = header(tensors, metadata)?;
    let mut bytes = Vec::new();
    write(&mut bytes, &header, &order).map_err(|e| Error::Shape(e.to_string()))?;
    Ok(sha256_of(&bytes))
}

fn write(out: &mut dyn Write, header: &[u8], order: &[&Raw]) -> io::Result<()> {
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header)?;
    order.iter().try_for_each(|tensor| out.write_all(&tensor.bytes))
}

/// The JSON header, padded to 8 bytes, and the tensors in the order of their bytes: widest
/// elements first (so that all are aligned), then by name.
///
/// The crate's `serialize` is not used: it keeps metadata in a hash map, so equal files would
/// differ.
fn header<'a>(
    tensors: &'a BTreeMap<String, Raw>,
    metadata: &BTreeMap<String, String>,
) -> Result<(Vec<u8>, Vec<&'a Raw>)> {
    let mut order: Vec<_> = tensors.iter().collect();
    order.sort_by_key(|(name, t)| (std::cmp::Reverse(t.dtype.bitsize()), name.as_str()));
    let mut entries = serde_json::Map::new();
    let mut start = 0;
    for (name, tensor) in &order {
        let bits: Option<usize> =
            tensor.shape.iter().try_fold(tensor.dtype.bitsize(), |n, &d| n.checked_mul(d));
        if bits != tensor.bytes.len().checked_mul(8) || name.as_str() == "__metadata__" {
            let (dtype, shape, found) = (tensor.dtype, &tensor.shape, tensor.bytes.len());
            return Err(Error::Shape(format!(
                "tensor {name}: {dtype} {shape:?} does not fit its {found} bytes"
            )));
        }
        let end = start + tensor.bytes.len();
        let entry = json!({
            "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, end],
        });
        entries.insert((*name).clone(), entry);
        start = end;
    }
    if !metadata.is_empty() {
        entries.insert("__metadata__".into(), json!(metadata));
    }
    let mut header = serde_json::Value::Object(entries).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok((header, order.into_iter().map(|(_, t)| t).collect()))
}

/// Pieces of `N` bytes; after the checks of `parse` there is no remainder.
fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks().0.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Contents {
        let tensors = BTreeMap::from([
            ("a.u8".to_owned(), Raw::u8(&[3], &[1, 2, 3])),
            ("b.f32".to_owned(), Raw::f32(&[2, 2], &[1.0, -2.5, f32::MIN_POSITIVE, 3e38])),
            ("c.scalar".to_owned(), Raw::f32(&[], &[7.0])),
            ("d.empty".to_owned(), Raw::f32(&[0, 4], &[])),
        ]);
        let metadata = [("seed", "1"), ("command", "a \"b\" \n"), ("model", "x"), ("b", "y")];
        (tensors, metadata.map(|(k, v)| (k.into(), v.into())).into())
    }

    fn saved() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let (tensors, metadata) = sample();
        save(&path, &tensors, &metadata).unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn a_file_comes_back_as_it_went_and_the_crate_reads_it() {
        let bytes = saved();
        assert_eq!(parse(&bytes, "x").unwrap(), sample());
        let theirs = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(theirs.tensor("a.u8").unwrap().data(), [1, 2, 3]);
        assert_eq!(bytes, saved(), "the same contents must give the same bytes");
    }

    #[test]
    fn every_cut_is_refused_with_the_name_of_the_file() {
        let bytes = saved();
        for end in 0..bytes.len() {
            let error = parse(&bytes[..end], "w.safetensors").unwrap_err();
            assert!(matches!(error, Error::Format { .. }), "{end}: {error}");
            assert!(error.to_string().starts_with("w.safetensors: "), "{error}");
            if end > 8 {
                assert!(error.to_string().contains("cut off"), "{end}: {error}");
            }
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(parse(&longer, "w").unwrap_err().to_string().contains("damaged"));
    }

    #[test]
    fn a_header_that_promises_the_moon_is_refused_without_allocating() {
        for (shape, end) in
            [("[4294967296,4294967296]", "16"), ("[1000000000000]", "4000000000000")]
        {
            let header =
                format!(r#"{{"w":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#);
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.as_bytes());
            bytes.extend([0; 16]);
            assert!(matches!(parse(&bytes, "w"), Err(Error::Format { .. })));
        }
        let mut bytes = u64::MAX.to_le_bytes().to_vec();
        bytes.extend(b"{}");
        assert!(matches!(parse(&bytes, "w"), Err(Error::Format { .. })));
    }

    #[test]
    fn other_files_are_recognised() {
        for (bytes, word) in [
            (&b"PK\x03\x04\0\0\0\0\0\0"[..], "PyTorch"),
            (b"\x93NUMPY\x01\0v\0{'descr'", "NumPy"),
            (b"version https://git-lfs.github.com/spec/v1", "LFS"),
            (b"<!DOCTYPE html><html>", "web page"),
            (b"hello, this is no tensor at all", "not a safetensors file"),
        ] {
            let error = parse(bytes, "w").unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn a_tensor_that_does_not_fit_its_shape_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let wrong = BTreeMap::from([("w".to_owned(), Raw::f32(&[3], &[1.0, 2.0]))]);
        assert!(matches!(save(&path, &wrong, &BTreeMap::new()), Err(Error::Shape(_))));
        assert!(!path.exists());
    }

    #[test]
    fn narrow_floats_become_the_same_f32() {
        // Bit patterns and values from IEEE 754: 1, -2, largest, smallest normal and subnormal.
        let cases = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x83ff, -6.097_555e-5),
            (0x8000, -0.0),
            (0xfc00, f32::NEG_INFINITY),
        ];
        let read = |dtype, bits: u16| {
            let raw = Raw { dtype, shape: vec![1], bytes: bits.to_le_bytes().to_vec() };
            raw.to_f32().unwrap()[0]
        };
        for (bits, value) in cases {
            assert_eq!(read(Dtype::F16, bits).to_bits(), f32::to_bits(value), "{bits:#x}");
        }
        assert!(read(Dtype::F16, 0x7e00).is_nan());
        assert_eq!(read(Dtype::BF16, 0x3fc0), 1.5);
        let f64 = Raw { dtype: Dtype::F64, shape: vec![1], bytes: 0.1f64.to_le_bytes().to_vec() };
        assert_eq!(f64.to_f32().unwrap(), [0.1]);
    }
}
