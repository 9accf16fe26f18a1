//! Reading a whole file that a user named.

use std::{fs::File, io::Read, path::Path};

use super::kind::recognise;
use crate::error::{Error, Result};

/// Largest file that is read whole: several times the largest network known here (574 MB).
const LIMIT: u64 = 4 << 30;

/// The bytes of a regular file of at most 4 GiB.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|e| Error::read(path, e))?;
    let there = file.metadata().map_err(|e| Error::read(path, e))?;
    if there.is_dir() {
        return Err(Error::format(path, "it is a folder, not a file", "name the file inside it"));
    }
    if !there.is_file() {
        return Err(Error::format(path, "it is not a regular file", "copy it to a file first"));
    }
    if there.len() > LIMIT {
        let what = format!("its {} bytes are more than the {LIMIT} that are read", there.len());
        return Err(Error::format(path, what, "check that it is the file you meant"));
    }
    if there.len() == 0 {
        return Err(Error::format(path, "it is empty", "write, copy or download it again"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(there.len()).unwrap_or(0));
    // A file that grows meanwhile ends somewhere too.
    file.take(LIMIT).read_to_end(&mut bytes).map_err(|e| Error::read(path, e))?;
    Ok(bytes)
}

/// Largest text that is read: the metrics of some million steps.
const TEXT_LIMIT: u64 = 1 << 30;

/// The text of a regular file of at most 1 GiB; it may be empty.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let there = std::fs::metadata(path).map_err(|e| Error::read(path, e))?;
    if there.is_file() && there.len() == 0 {
        return Ok(String::new());
    }
    if there.len() > TEXT_LIMIT {
        let what = format!("its {} bytes are more than the {TEXT_LIMIT} of a text", there.len());
        return Err(Error::format(path, what, "check that it is the file you meant"));
    }
    String::from_utf8(read(path)?).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let (what, hint) = match recognise(e.as_bytes()) {
            Some((kind, hint)) => (format!("it is not text but {kind}"), hint),
            None => {
                let what = format!("it is not text: byte {at} is no UTF-8");
                (what, "check that it is the file you meant")
            }
        };
        Error::format(path, what, hint)
    })
}

/// What is wrong with a TOML text, in one line, with the number of its line.
pub(crate) fn toml_problem(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = 1 + before.matches('\n').count();
    format!("line {line}: {}", error.message().replace('\n', " "))
}
