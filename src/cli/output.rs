//! Results on stdout.

use std::io::{self, Write};

use serde_json::Value;

use crate::error::{Error, Result};

/// Writes text to stdout as it is. A reader that has gone (`| head`) is no error.
///
/// # Errors
///
/// [`Error::Write`] when stdout takes no more, such as a file on a full disk.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::write("standard output", e)),
        _ => Ok(()),
    }
}

/// Writes one JSON document and a line end to stdout.
///
/// # Errors
///
/// Those of [`print`].
pub(crate) fn print_json(document: &Value) -> Result<()> {
    print(&format!("{document:#}\n"))
}
