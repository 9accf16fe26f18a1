//! The console of a run and the progress of a command; and this file, the only one that writes to stdout and
//! stderr.
//!
//! Results go to stdout, and failing to write a result is an error. Messages and progress go to stderr, and
//! failing to write them (a full disk, a `tee` that has ended) is ignored: a reader that stops listening must
//! neither stop the work nor change how it ends.
#![expect(clippy::disallowed_methods, reason = "this is the place that clippy.toml speaks of")]

pub mod console;
pub(crate) mod progress;

pub use console::Console;

use crate::error::{Error, Result};
use indicatif::ProgressDrawTarget;
use serde_json::Value;
use std::io::{self, IsTerminal as _, Write};

/// Writes text to stdout unchanged. A reader that has ended (`| head`) is not an error.
///
/// # Errors
/// [`Error::Write`] when stdout cannot be written, such as a file on a full disk.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// The result of writing to stdout, where a closed pipe is not an error.
fn printed(written: io::Result<()>) -> Result<()> {
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::write("standard output", e)),
        _ => Ok(()),
    }
}

/// Writes the argument parser's output: help that was asked for to stdout, a complaint about arguments to
/// stderr.
pub(crate) fn print_usage(told: &clap::Error) -> Result<()> {
    let written = told.print();
    if told.use_stderr() { Ok(()) } else { printed(written.and_then(|()| io::stdout().flush())) }
}

/// Writes one JSON document and a line end to stdout.
pub(crate) fn print_json(document: &Value) -> Result<()> {
    print(&format!("{document:#}\n"))
}

/// Writes a line to stderr, or drops it.
pub(crate) fn say(line: &str) {
    // One call, so that lines of several threads or processes do not mix.
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Default number of columns, if neither the environment nor the terminal tells it.
const COLUMNS: usize = 80;

/// Maximum length of a table's lines on stdout: the environment's COLUMNS, else the terminal's width, else
/// 80.
pub(crate) fn columns() -> usize {
    let named = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    let own = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0.into());
    let columns = named.filter(|&n| n > 0).or_else(own).filter(|&n| n > 0).unwrap_or(COLUMNS);
    // Formatting widths are limited to 16 bits.
    columns.min(u16::MAX.into())
}

/// Whether stderr is a terminal, so that a person reads it as it is written.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// An owned handle of stderr.
pub(crate) fn stderr() -> Box<dyn Write + Send> {
    Box::new(io::stderr())
}

/// The target of a progress bar, which is drawn only if `shown` and on a terminal.
pub(crate) fn draw_target(shown: bool) -> ProgressDrawTarget {
    if shown && is_watched() {
        ProgressDrawTarget::stderr_with_hz(10)
    } else {
        ProgressDrawTarget::hidden()
    }
}
