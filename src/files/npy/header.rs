//! The header of a `.npy` file: magic, version, and a Python dictionary of type, order and shape.

use std::path::Path;

use crate::{
    error::{Error, Result},
    files::kind::recognise,
};

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// What a header says.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// NumPy's name of the type, such as `<f4`; of a structured array, its list of fields.
    pub(super) descr: String,
    /// Whether the elements are in Fortran's order, the first index fastest.
    pub(super) fortran: bool,
    pub(super) shape: Vec<usize>,
    /// Offset of the elements in the file, in bytes.
    pub(super) data: usize,
}

/// Reads the header of `bytes`; `path` is what messages call them.
///
/// # Errors
/// [`Error::Format`]: another type of file, which the message names; a header that is cut off, damaged or of a
/// version that is not known.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Header> {
    let bad = |what: &str, hint: &str| Error::format(path, what, hint);
    if !bytes.starts_with(MAGIC) {
        return Err(match recognise(bytes) {
            Some((kind, hint)) => bad(&format!("it is not a .npy file but {kind}"), hint),
            None => bad("it is not a .npy file", "save it with np.save"),
        });
    }
    let cut = || bad("it is cut off in its .npy header", super::AGAIN);
    let &[major, minor] = bytes.get(6..8).and_then(|v| v.first_chunk()).ok_or_else(cut)?;
    // Version 1 stores the header's length in 2 bytes, versions 2 and 3 in 4.
    let length = |range: std::ops::Range<usize>| {
        let bytes = bytes.get(range).ok_or_else(cut)?;
        Ok::<_, Error>(bytes.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)))
    };
    let (start, length): (usize, usize) = match major {
        1 => (10, length(8..10)?),
        2 | 3 => (12, length(8..12)?),
        _ => {
            let what = format!("it is in version {major}.{minor} of .npy; 1 to 3 are read");
            return Err(bad(&what, "save it again with np.save"));
        }
    };
    let end = start.checked_add(length).ok_or_else(cut)?;
    let text = bytes.get(start..end).ok_or_else(cut)?;
    // Versions 1 and 2 are in Latin-1, so a field's name may be no valid UTF-8.
    let (descr, fortran, shape) = dictionary(&String::from_utf8_lossy(text))
        .ok_or_else(|| bad("its .npy header is damaged", super::AGAIN))?;
    Ok(Header { descr, fortran, shape, data: end })
}

/// `descr`, `fortran_order` and `shape` of the Python dictionary in a header.
fn dictionary(header: &str) -> Option<(String, bool, Vec<usize>)> {
    let value = |key: &str| {
        let at = [format!("'{key}'"), format!("\"{key}\"")];
        let found = at.iter().find_map(|key| Some(header.find(key)? + key.len()))?;
        header[found..].trim_start().strip_prefix(':').map(str::trim_start)
    };
    let descr = literal(value("descr")?)?;
    let order = value("fortran_order")?;
    let fortran = order.starts_with("True");
    if !fortran && !order.starts_with("False") {
        return None;
    }
    let (shape, _) = value("shape")?.strip_prefix('(')?.split_once(')')?;
    let extents = shape.split(',').map(str::trim).filter(|d| !d.is_empty());
    // Python 2 wrote its long integers with an L.
    let extent = |d: &str| d.strip_suffix(['L', 'l']).unwrap_or(d).parse().ok();
    Some((descr.into(), fortran, extents.map(extent).collect::<Option<_>>()?))
}

/// The Python string, list or tuple that `text` begins with: a string without its quotes.
fn literal(text: &str) -> Option<&str> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        return text[1..].split(quote).next();
    }
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            _ if depth == 0 => return None,
            _ => continue,
        }
        if depth == 0 {
            return Some(&text[..=at]);
        }
    }
    None
}

/// A type in words, and what to do in Python to get an array of `wanted` (such as `float32`).
pub(super) fn describe(descr: &str, wanted: &str) -> (String, String) {
    let as_wanted = format!("save it with np.save(path, x.astype(np.{wanted}))");
    if descr.starts_with(['[', '(']) {
        let fields = field_names(descr);
        let one = fields.first().map_or("NAME", |name| name);
        let what = format!("a structured array with the fields {}", fields.join(", "));
        return (what, format!("save one field: np.save(path, x['{one}'].astype(np.{wanted}))"));
    }
    let (order, rest) = match descr.strip_prefix(['<', '>', '|', '=']) {
        Some(rest) => (descr.chars().next(), rest),
        None => (None, descr),
    };
    let Some((kind, size)) = rest.split_at_checked(1) else { return (descr.into(), as_wanted) };
    let bits = size.parse::<u32>().unwrap_or(0).saturating_mul(8);
    let name = match kind {
        "f" => format!("float{bits}"),
        "i" => format!("int{bits}"),
        // Bytes are pictures as they come, but networks take values from -1 to 1.
        "u" if wanted == "float32" => {
            let hint = "bytes of pictures become values from -1 to 1: np.save(path, (x / 127.5 - \
                        1).astype(np.float32))";
            return (format!("'{descr}' (uint{bits})"), hint.into());
        }
        "u" => format!("uint{bits}"),
        "b" => "bool".into(),
        "c" => {
            let hint = format!("save its real part: np.save(path, x.real.astype(np.{wanted}))");
            return (format!("complex numbers ('{descr}')"), hint);
        }
        "O" => {
            let hint =
                format!("stack them first: np.save(path, np.stack(list(x)).astype(np.{wanted}))");
            return ("Python objects, pickled ('|O')".into(), hint);
        }
        "U" | "S" | "a" => {
            let hint = format!("make numbers of them: np.save(path, x.astype(np.{wanted}))");
            return (format!("texts ('{descr}')"), hint);
        }
        "V" => {
            let hint =
                format!("convert it before it is saved: np.save(path, x.astype(np.{wanted}))");
            return (format!("bytes without a type ('{descr}', such as bfloat16)"), hint);
        }
        "M" | "m" => return (format!("times ('{descr}')"), as_wanted),
        _ => return (format!("of the type '{descr}'"), as_wanted),
    };
    let big = if order == Some('>') && bits > 8 { ", big-endian" } else { "" };
    (format!("'{descr}' ({name}{big})"), as_wanted)
}

/// Names of the fields in a list such as `[('x', '<f4'), ('y', '<i4', (2,))]`.
fn field_names(descr: &str) -> Vec<&str> {
    let quotes = ['\'', '"'];
    descr.split('(').filter_map(|part| part.split(quotes).nth(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: &[u8], header: &[u8]) -> Vec<u8> {
        let length = (header.len() as u32).to_le_bytes();
        let length = if version[0] == 1 { &length[..2] } else { &length[..] };
        [MAGIC, version, length, header].concat()
    }

    fn read(version: &[u8], header: &str) -> Result<Header> {
        parse(&file(version, header.as_bytes()), Path::new("x.npy"))
    }

    #[test]
    fn headers_of_every_numpy_are_read() {
        let header = |descr: &str, fortran, shape: &[usize], data| Header {
            descr: descr.into(),
            fortran,
            shape: shape.into(),
            data,
        };
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }";
        let after = |at: usize, text: &str| at + text.len();
        assert_eq!(read(&[1, 0], text).unwrap(), header("<f4", false, &[1, 3], after(10, text)));
        for version in [[2, 0], [3, 0]] {
            assert_eq!(
                read(&version, text).unwrap(),
                header("<f4", false, &[1, 3], after(12, text))
            );
        }
        // Python 2 wrote long integers with an L.
        let text = "{'descr': '<f4', 'fortran_order': True, 'shape': (1L, 3L, 32L, 32L), }";
        let found = read(&[1, 0], text).unwrap();
        assert_eq!(found, header("<f4", true, &[1, 3, 32, 32], after(10, text)));
        let text = "{\"descr\": \"<i4\", \"fortran_order\": False, \"shape\": (7L,)}";
        assert_eq!(read(&[1, 0], text).unwrap(), header("<i4", false, &[7], after(10, text)));
        let text =
            "{'descr': [('x', '<f4'), ('y', '<i4', (2,))], 'fortran_order': False, 'shape': ()}";
        let found = read(&[1, 0], text).unwrap();
        assert_eq!(
            found,
            header("[('x', '<f4'), ('y', '<i4', (2,))]", false, &[], after(10, text))
        );
        // A field's name in Latin-1.
        let mut latin = b"{'descr': [('gr".to_vec();
        latin.extend(b"\xfcn', '<f4')], 'fortran_order': False, 'shape': (1,)}");
        assert_eq!(parse(&file(&[1, 0], &latin), Path::new("x")).unwrap().shape, [1]);
    }

    #[test]
    fn what_is_no_header_says_why() {
        for (bytes, says) in [
            (file(&[4, 0], b"{}"), "version 4.0"),
            (file(&[1, 0], b"{'descr': '<f4'}"), "header is damaged"),
            (
                file(&[1, 0], b"{'descr': [('x', '<f4'), 'fortran_order': False"),
                "header is damaged",
            ),
            (
                file(&[1, 0], b"{'descr': '<f4', 'fortran_order': 1, 'shape': ()}"),
                "header is damaged",
            ),
            (b"\x93NUMPY\x01\0\xff\xff{}".to_vec(), "cut off"),
            (b"\x93NUMPY\x01".to_vec(), "cut off"),
            (b"1.0,2.0\n".to_vec(), "a text of numbers (CSV)"),
        ] {
            let e = parse(&bytes, Path::new("x.npy")).unwrap_err();
            assert!(e.to_string().contains(says) && e.hint().is_some(), "{e}");
        }
    }

    #[test]
    fn types_are_called_what_they_are() {
        for (descr, says, do_this) in [
            ("<f8", "'<f8' (float64)", "x.astype(np.float32)"),
            (">f4", "'>f4' (float32, big-endian)", "x.astype(np.float32)"),
            ("<f2", "'<f2' (float16)", "x.astype(np.float32)"),
            ("|u1", "'|u1' (uint8)", "(x / 127.5 - 1).astype(np.float32)"),
            ("|b1", "'|b1' (bool)", "x.astype(np.float32)"),
            ("<c8", "complex numbers", "x.real"),
            ("|O", "Python objects", "np.stack(list(x))"),
            ("<U5", "texts", "x.astype(np.float32)"),
            ("|S3", "texts", "x.astype(np.float32)"),
            ("|V2", "such as bfloat16", "x.astype(np.float32)"),
            ("<M8[ns]", "times", "x.astype(np.float32)"),
            ("[('x', '<f4'), ('y', '<i4')]", "a structured array with the fields x, y", "x['x']"),
            ("[]", "a structured array", "x['NAME']"),
            ("", "", "x.astype(np.float32)"),
            ("\u{e9}4", "\u{e9}4", "x.astype(np.float32)"),
        ] {
            let (what, hint) = describe(descr, "float32");
            assert!(what.contains(says) && hint.contains(do_this), "{descr}: {what}; {hint}");
        }
    }
}
