//! What a fetch tells while it works.

use crate::error::{Error, Result};

/// One thing that happened during a fetch.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchEvent<'a> {
    /// A source is tried now.
    Trying {
        /// The source, in words.
        source: &'a str,
    },
    /// A source did not work; the next one is tried.
    Failed {
        /// The source, in words.
        source: &'a str,
        /// Why not.
        reason: &'a str,
    },
    /// A download goes on. Comes several times a second, also when nothing has moved.
    Downloading {
        /// Bytes that are here, those of an earlier, interrupted fetch included.
        done: u64,
        /// Bytes in all, when the source says so.
        total: Option<u64>,
    },
    /// A file was there and right.
    Kept {
        /// Its name.
        file: &'a str,
    },
    /// A file has been written and checked.
    Wrote {
        /// Its name.
        file: &'a str,
    },
}

/// Where events go; `false` means stop.
pub(super) type Progress<'a> = &'a mut dyn FnMut(FetchEvent<'_>) -> bool;

/// Passes an event on; a `false` becomes [`Error::Interrupted`].
pub(super) fn tell(progress: Progress<'_>, event: FetchEvent<'_>) -> Result<()> {
    if progress(event) { Ok(()) } else { Err(Error::Interrupted) }
}
