//! What a data file should be, and what it is.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use md5::{Digest, Md5};

use crate::error::{Error, Result};

/// One file of a data set, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCheck {
    /// Where it should be. For an embedded data set, its path in the repository.
    pub path: PathBuf,
    /// Its right size.
    pub bytes: u64,
    /// Its right MD5, as hexadecimal digits.
    pub md5: &'static str,
    /// What was found.
    pub state: FileState,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Size and checksum are right.
    Right,
    /// Nothing is there.
    Missing,
    /// The size is another one: truncated, or not this file.
    WrongSize {
        /// Bytes found.
        found: u64,
    },
    /// The size is right and the checksum is not.
    WrongSum {
        /// MD5 found, as hexadecimal digits.
        found: String,
    },
}

impl FileCheck {
    /// Compares the file at `path` with its right size and MD5. The size is looked at first.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] when something is there and cannot be read.
    pub fn of(path: PathBuf, bytes: u64, md5: &'static str) -> Result<Self> {
        let state = state(&path, bytes, md5).map_err(|e| Error::read(&path, e))?;
        Ok(Self { path, bytes, md5, state })
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
            FileState::WrongSum { found } => format!("MD5 is {found}, not {}", self.md5),
        }
    }
}

fn state(path: &Path, bytes: u64, md5: &str) -> io::Result<FileState> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(FileState::Missing),
        other => other?,
    };
    let found = file.metadata()?.len();
    if found != bytes {
        return Ok(FileState::WrongSize { found });
    }
    let found = md5_of(file)?;
    Ok(if found == md5 { FileState::Right } else { FileState::WrongSum { found } })
}

/// MD5 of everything that `from` yields, as hexadecimal digits.
pub(super) fn md5_of(mut from: impl Read) -> io::Result<String> {
    let mut hash = Md5::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// MD5 of bytes in memory, as hexadecimal digits.
pub(super) fn md5(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
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
        let check = || FileCheck::of(path.clone(), 3, SUM).unwrap();
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
            std::fs::write(&path, content).unwrap();
            assert_eq!(check().describe(), says);
            assert_eq!(check().is_right(), says == "ok");
        }
    }
}
