//! Reading a whole file that a user named.

use std::{
    fs::{self, File, Metadata},
    io::Read,
    path::Path,
};

use super::kind::recognise;
use crate::error::{Error, Result};

/// Largest file that is read whole: several times the largest network known here (574 MB).
const LIMIT: u64 = 4 << 30;

/// Opens a regular file. All readers of whole files use it, so that they refuse other things in the same words.
pub(crate) fn open(path: &Path) -> Result<(File, Metadata)> {
    let reading = |e| Error::read(path, e);
    // This is checked before opening: some systems refuse to open a folder in words that do not say so.
    let there = fs::metadata(path).map_err(reading)?;
    if there.is_dir() {
        let generator = path.join("generator.safetensors");
        let hint = if generator.is_file() {
            format!("name the file inside it: {}", generator.display())
        } else {
            "name the file inside it".into()
        };
        return Err(Error::format(path, "it is a folder, not a file", hint));
    }
    if !there.is_file() {
        return Err(Error::format(path, "it is not a regular file", "copy it to a file first"));
    }
    Ok((File::open(path).map_err(reading)?, there))
}

/// The bytes of a regular file of at most 4 GiB.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let (file, there) = open(path)?;
    if there.len() > LIMIT {
        let what = format!("its {} bytes are more than the {LIMIT} that are read", there.len());
        return Err(Error::format(path, what, "check that it is the file you meant"));
    }
    if there.len() == 0 {
        return Err(Error::format(path, "it is empty", "write, copy or download it again"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(there.len()).unwrap_or(0));
    // The limit also ends a file that grows meanwhile.
    file.take(LIMIT).read_to_end(&mut bytes).map_err(|e| Error::read(path, e))?;
    Ok(bytes)
}

/// Largest text that is read: the metrics of some million steps.
const TEXT_LIMIT: u64 = 1 << 30;

/// The text of a regular file of at most 1 GiB, as [`text_of`] decodes it; it may be empty.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let there = fs::metadata(path).map_err(|e| Error::read(path, e))?;
    if there.is_file() && there.len() == 0 {
        return Ok(String::new());
    }
    if there.len() > TEXT_LIMIT {
        let what = format!("its {} bytes are more than the {TEXT_LIMIT} of a text", there.len());
        return Err(Error::format(path, what, "check that it is the file you meant"));
    }
    text_of(path, read(path)?)
}

/// The byte-order mark with which a spreadsheet's or an editor's UTF-8 may begin.
const UTF_8: [u8; 3] = [0xef, 0xbb, 0xbf];
/// The byte-order marks of UTF-16, low byte first and high byte first.
const UTF_16: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];

/// The text that bytes are: UTF-8, or UTF-16 that begins with its byte-order mark, which is left out.
/// `path` names them in errors.
pub(crate) fn text_of(path: &Path, mut bytes: Vec<u8>) -> Result<String> {
    if let Some(order) = UTF_16.iter().position(|mark| bytes.starts_with(mark)) {
        let unit = [u16::from_le_bytes, u16::from_be_bytes][order];
        let (units, odd) = bytes[2..].as_chunks();
        let text = char::decode_utf16(units.iter().map(|&b| unit(b)))
            .collect::<std::result::Result<String, _>>();
        return text.ok().filter(|text| odd.is_empty() && !text.contains('\0')).ok_or_else(|| {
            let what = "it begins as UTF-16, and is none";
            Error::format(path, what, "save it as UTF-8, or check that it is the file you meant")
        });
    }
    if bytes.starts_with(&UTF_8) {
        bytes.drain(..UTF_8.len());
    }
    let (at, bytes) = match String::from_utf8(bytes) {
        // ASCII in UTF-16 without a mark is UTF-8 too: every other byte of it is 0.
        Ok(text) => match text.find('\0') {
            None => return Ok(text),
            Some(at) => (at, text.into_bytes()),
        },
        Err(e) => (e.utf8_error().valid_up_to(), e.into_bytes()),
    };
    let line = 1 + bytes[..at].iter().filter(|&&b| b == b'\n').count();
    let no_utf_8 =
        format!("it is no text in UTF-8: byte {at}, in line {line}, is {:#04x}", bytes[at]);
    let (what, hint) = match recognise(&bytes) {
        _ if is_printable(&bytes) => (no_utf_8, "save it as UTF-8"),
        Some((kind, hint)) if !kind.contains("text") => {
            (format!("it is not text but {kind}"), hint)
        }
        _ => (no_utf_8, "save it as UTF-8, or check that it is the file you meant"),
    };
    Err(Error::format(path, what, hint))
}

/// Whether bytes begin with the byte-order mark of UTF-8 or UTF-16.
pub(crate) fn has_mark(bytes: &[u8]) -> bool {
    bytes.starts_with(&UTF_8) || UTF_16.iter().any(|mark| bytes.starts_with(mark))
}

/// Whether bytes may be a text in some encoding of one byte a letter, such as Latin-1: no control
/// characters but those that lay out lines.
pub(crate) fn is_printable(bytes: &[u8]) -> bool {
    bytes.iter().all(|&b| b >= b' ' && b != 0x7f || matches!(b, b'\t' | b'\n' | b'\r' | 0x0c))
}

/// What is wrong with a TOML text, in one line, with the number of its line.
pub(crate) fn toml_problem(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = 1 + before.matches('\n').count();
    format!("line {line}: {}", error.message().replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_by_its_mark_and_other_encodings_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read_text(&path)
        };
        let text = "row,°C\n3,25 \u{1f321}\n";
        let units = || text.encode_utf16();
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        for (mark, bytes) in [
            (&b"\xff\xfe"[..], &little[..]),
            (b"\xfe\xff", &big),
            (b"\xef\xbb\xbf", text.as_bytes()),
        ] {
            assert_eq!(read(&[mark, bytes].concat()).unwrap(), text);
        }
        assert_eq!((read(b"").unwrap(), read(text.as_bytes()).unwrap()), ("".into(), text.into()));
        let long = [&b"a,b\n"[..], &b"0,1\n".repeat(200), b"# 25 \xb0C\n"].concat();
        for (bytes, what, hint) in [
            (&b"# 25 \xb0C\nrow,column\n"[..], "byte 5, in line 1, is 0xb0", "save it as UTF-8"),
            (&long, "byte 809, in line 202, is 0xb0", "save it as UTF-8"),
            (b"r\0o\0w\0", "byte 1, in line 1, is 0x00", "save it as UTF-8, or check"),
            (b"\xff\xfer\0o", "it begins as UTF-16, and is none", "save it as UTF-8, or check"),
            // UTF-32.
            (b"\xff\xfe\0\0r\0\0\0", "it begins as UTF-16, and is none", "save it as UTF-8, or"),
            (b"\x89PNG\r\n\x1a\n", "it is not text but a PNG picture", "pictures are read"),
            (b"\x01\xff\0", "byte 1, in line 1, is 0xff", "or check that it is the file"),
        ] {
            let e = read(bytes).unwrap_err();
            assert!(e.to_string().contains(what), "{e}");
            assert!(e.hint().unwrap().contains(hint), "{e}: {:?}", e.hint());
        }
    }

    #[test]
    fn only_a_regular_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        for e in [open(folder.path()).map(drop), super::super::sha256(folder.path()).map(drop)] {
            assert!(e.unwrap_err().to_string().ends_with("it is a folder, not a file"));
        }
        assert!(matches!(open(&folder.path().join("no")), Err(Error::Read { .. })));
        #[cfg(unix)]
        assert!(open(Path::new("/dev/null")).unwrap_err().to_string().contains("regular"));
    }
}
