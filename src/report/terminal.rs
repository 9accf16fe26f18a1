//! The one place that writes to stdout and stderr.
//!
//! Results go to stdout, and a result that cannot be written is an error. Messages and progress go to
//! stderr, and what cannot be written there (a full disk, a `tee` that has gone) is dropped: whoever
//! stops listening must not stop the work, nor change how it ends.
#![expect(clippy::disallowed_methods, reason = "this is the place that clippy.toml speaks of")]

use crate::error::{Error, Result};
use indicatif::ProgressDrawTarget;
use serde_json::Value;
use std::io::{self, IsTerminal as _, Write};

/// Writes text to stdout as it is. A reader that has gone (`| head`) is no error.
///
/// # Errors
/// [`Error::Write`] when stdout takes no more, such as a file on a full disk.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// What became of something written to stdout.
fn printed(written: io::Result<()>) -> Result<()> {
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::write("standard output", e)),
        _ => Ok(()),
    }
}

/// Writes what the argument parser has to say: help that was asked for to stdout, why it refuses the
/// arguments to stderr.
///
/// # Errors
/// Those of [`print`], for help.
pub(crate) fn print_usage(told: &clap::Error) -> Result<()> {
    let written = told.print();
    if told.use_stderr() { Ok(()) } else { printed(written.and_then(|()| io::stdout().flush())) }
}

/// Writes one JSON document and a line end to stdout.
///
/// # Errors
/// Those of [`print`].
pub(crate) fn print_json(document: &Value) -> Result<()> {
    print(&format!("{document:#}\n"))
}

/// Writes a line to stderr, or drops it.
pub(crate) fn say(line: &str) {
    // One call, so that lines of several threads or processes do not mix.
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Columns of a line where nothing tells how many there are.
const COLUMNS: usize = 80;

/// Characters that lines of a table should have on stdout: as many as the environment's COLUMNS says, else
/// as the terminal has, else 80.
pub(crate) fn columns() -> usize {
    let named = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    let own = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0.into());
    let columns = named.filter(|&n| n > 0).or_else(own).filter(|&n| n > 0).unwrap_or(COLUMNS);
    // The most that a width in a format may be.
    columns.min(u16::MAX.into())
}

/// Whether a person reads stderr as it is written.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// stderr, for those who write to it over time.
pub(crate) fn stderr() -> Box<dyn Write + Send> {
    Box::new(io::stderr())
}

/// Where a progress bar is drawn: nowhere unless `shown`, and only for a person.
pub(crate) fn draw_target(shown: bool) -> ProgressDrawTarget {
    if shown && is_watched() {
        ProgressDrawTarget::stderr_with_hz(10)
    } else {
        ProgressDrawTarget::hidden()
    }
}
