//! Where results are kept until the document is whole.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where an evaluation keeps what it has measured until its document is whole.
pub(super) fn journal_of(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

/// Whether a path is there and is no file, such as `/dev/null`.
pub(super) fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| !m.is_file())
}
