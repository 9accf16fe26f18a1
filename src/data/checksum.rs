//! Expected size and checksum of a data file, and the comparison with the file on disk.

use std::{
    fmt::{self, Write as _},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use md5::{Digest, Md5};
use sha2::Sha256;

use super::packed;
use crate::error::{Error, Result};

/// The right checksum of a file, as hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sum {
    /// MD5, which most data sets publish.
    Md5(&'static str),
    /// SHA-256, which some data sets publish.
    Sha256(&'static str),
}

impl Sum {
    /// `MD5` or `SHA-256`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Md5(_) => "MD5",
            Self::Sha256(_) => "SHA-256",
        }
    }

    /// The hexadecimal digits.
    #[must_use]
    pub fn digits(&self) -> &'static str {
        match self {
            Self::Md5(digits) | Self::Sha256(digits) => digits,
        }
    }

    /// Length in bytes and checksum, by this method, of everything that `from` yields.
    pub(super) fn of(&self, from: impl Read) -> io::Result<(u64, String)> {
        match self {
            Self::Md5(_) => digest::<Md5>(from),
            Self::Sha256(_) => digest::<Sha256>(from),
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method(), self.digits())
    }
}

/// One file of a data set, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCheck {
    /// Path of the file or of its packed form, or where the file should be. For an embedded data
    /// set it is the path in the repository; for images without a checksum, the folder or the image
    /// that is wrong.
    pub path: PathBuf,
    /// Expected size in bytes, unpacked.
    pub bytes: u64,
    /// Expected checksum of the unpacked bytes, where there is one.
    pub sum: Option<Sum>,
    /// Result of the check.
    pub state: FileState,
    /// What the user can do about a wrong file, if the remedy is not to fetch it again.
    pub hint: Option<String>,
}

/// Result of checking a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Size and checksum are right, or every image can be read.
    Right,
    /// Nothing is there.
    Missing,
    /// The size differs: the file is truncated, or it is another file.
    WrongSize {
        /// Bytes found, unpacked.
        found: u64,
    },
    /// The size is right and the checksum is not.
    WrongSum {
        /// The sum found, as hexadecimal digits.
        found: String,
    },
    /// The file exists and cannot be read: a damaged image, archive or packing.
    Unreadable {
        /// The reason.
        why: String,
    },
}

impl FileCheck {
    /// Compares the file at `path`, or the packed one beside it (`.gz`, `.xz`), with its right
    /// size and checksum, both unpacked. The size of an unpacked file is compared first, which
    /// needs no reading.
    ///
    /// # Errors
    /// [`Error::Read`] when something is there and cannot be opened.
    pub fn of(path: PathBuf, bytes: u64, sum: Sum) -> Result<Self> {
        let path = packed::find(&path).unwrap_or(path);
        let state = state(&path, bytes, sum).map_err(|e| Error::read(&path, e))?;
        Ok(Self { path, bytes, sum: Some(sum), state, hint: None })
    }

    /// The result for a file without a checksum, whose content was examined.
    pub(super) fn looked_at(path: impl Into<PathBuf>, bytes: u64, state: FileState) -> Self {
        Self { path: path.into(), bytes, sum: None, state, hint: None }
    }

    /// True when size and checksum are right.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.state == FileState::Right
    }

    /// The state in words: `ok`, `missing`, or what is wrong.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.state {
            FileState::Right => "ok".into(),
            FileState::Missing => "missing".into(),
            FileState::WrongSize { found } if *found < self.bytes => {
                format!("truncated: {found} of {} bytes", self.bytes)
            }
            FileState::WrongSize { found } => format!("{found} bytes, not {}", self.bytes),
            FileState::WrongSum { found } => match self.sum {
                Some(sum) => format!("{} is {found}, not {}", sum.method(), sum.digits()),
                None => format!("the checksum is {found}"),
            },
            FileState::Unreadable { why } => why.clone(),
        }
    }
}

fn state(path: &Path, bytes: u64, sum: Sum) -> io::Result<FileState> {
    let found = match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(FileState::Missing),
        other => other?.len(),
    };
    if found != bytes && !packed::is_packed(path) {
        return Ok(FileState::WrongSize { found });
    }
    Ok(match sum.of(packed::open(path)?) {
        Ok((found, _)) if found != bytes => FileState::WrongSize { found },
        Ok((_, found)) if found == sum.digits() => FileState::Right,
        Ok((_, found)) => FileState::WrongSum { found },
        Err(e) => FileState::Unreadable { why: format!("damaged: {e}") },
    })
}

fn digest<D: Digest>(mut from: impl Read) -> io::Result<(u64, String)> {
    let mut hash = D::new();
    let mut buffer = vec![0; 1 << 16];
    let mut length = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok((length, hex(&hash.finalize()))),
            Ok(n) => {
                hash.update(&buffer[..n]);
                length += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// MD5 of bytes in memory, as hexadecimal digits.
pub(super) fn md5(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, b| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{b:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_tells_right_missing_truncated_and_changed() {
        const SUM: &str = "900150983cd24fb0d6963f7d28e17f72"; // "abc", RFC 1321
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let check = || FileCheck::of(path.clone(), 3, Sum::Md5(SUM)).unwrap();
        assert_eq!(check().describe(), "missing");
        for (content, says) in [
            ("abc", "ok"),
            ("ab", "truncated: 2 of 3 bytes"),
            ("abcd", "4 bytes, not 3"),
            (
                "abd",
                "MD5 is 4911e516e5aa21d327512e0c8b197616, not 900150983cd24fb0d6963f7d28e17f72",
            ),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(check().describe(), says);
            assert_eq!(check().is_right(), says == "ok");
        }
    }

    #[test]
    fn the_sum_of_a_packed_file_is_that_of_its_content() {
        // sha256sum of "abc", FIPS 180-2.
        const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let packed = dir.path().join("f.gz");
        for (content, bytes, says) in [
            (&b"abc"[..], 3, "ok"),
            (b"ab", 3, "truncated: 2 of 3 bytes"),
            (b"abd", 3, "SHA-256 is "),
        ] {
            let mut gz = flate2::GzBuilder::new().read(content, flate2::Compression::fast());
            io::copy(&mut gz, &mut fs::File::create(&packed).unwrap()).unwrap();
            let check = FileCheck::of(path.clone(), bytes, Sum::Sha256(SUM)).unwrap();
            assert!(check.describe().starts_with(says), "{}", check.describe());
            assert_eq!(check.path, packed);
        }
        fs::write(&packed, b"no gzip").unwrap();
        let check = FileCheck::of(path, 3, Sum::Sha256(SUM)).unwrap();
        assert!(check.describe().starts_with("damaged: "), "{}", check.describe());
    }
}
