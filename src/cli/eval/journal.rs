//! The journal, which keeps the results of an evaluation until its document is complete.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The path of the journal for the document `out`.
pub(super) fn journal_of(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

/// Whether a path exists and is not a regular file, such as `/dev/null`.
pub(super) fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| !m.is_file())
}
