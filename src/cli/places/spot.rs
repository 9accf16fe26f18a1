//! One place on the disk, however it is spelt.

use crate::files::atomic;
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// What tells a file or folder from all others.
#[cfg(unix)]
pub(super) type Id = (u64, u64);
#[cfg(not(unix))]
pub(super) type Id = PathBuf;

/// The identity of something that is there: links of both kinds and mounts give it further names.
pub(super) fn id(path: &Path) -> Option<Id> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).ok().map(|there| (there.dev(), there.ino()))
    }
    #[cfg(not(unix))]
    fs::canonicalize(path).ok()
}

/// What tells a place from all others: the last thing on its way that is there, and the names behind it.
pub(super) type Key = (Id, Vec<OsString>);

/// What [`Spot::of`] says of a file, at the cost of a look where it is there: a data set may have a million of
/// links.
pub(super) fn key(path: &Path) -> Option<Key> {
    match fs::metadata(path) {
        Ok(there) if there.is_file() => Some((id(path)?, Vec::new())),
        _ => Spot::of(path).map(|spot| spot.key),
    }
}

/// A place that is there, or will be.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) key: Key,
    /// The part that is there, without links and dots.
    there: PathBuf,
}

impl Spot {
    /// None for a device or a pipe, and where nothing of the path can be looked at.
    pub(super) fn of(path: &Path) -> Option<Self> {
        if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
            return None;
        }
        let (mut at, mut rest, mut links) = (path.to_owned(), Vec::new(), 0);
        let there = loop {
            // A bare name lies here.
            let here = if at.as_os_str().is_empty() { Path::new(".") } else { &at };
            if let Ok(there) = fs::canonicalize(here) {
                break there;
            }
            // A link to what is not there yet is written through all the same.
            if let Some(target) = fs::read_link(&at).ok().filter(|_| links < atomic::LINKS) {
                at = at.parent()?.join(target);
                links += 1;
                continue;
            }
            rest.push(at.components().next_back()?.as_os_str().to_owned());
            at = at.parent()?.to_owned();
        };
        let mut names: Vec<OsString> = Vec::new();
        for part in rest.into_iter().rev() {
            if part == ".." {
                names.pop();
            } else {
                names.push(part);
            }
        }
        Some(Self { key: (id(&there)?, names), there })
    }

    /// Folders that it lies in, and itself where it is there.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.there.ancestors()
    }

    /// The key that all spellings in large and small letters have in common.
    pub(super) fn folded(&self) -> Key {
        let lower = |name: &OsString| name.to_string_lossy().to_lowercase().into();
        (self.key.0, self.key.1.iter().map(lower).collect())
    }

    /// Whether large and small letters are the same where it will be.
    pub(super) fn ignores_case(&self) -> bool {
        let mut probe = tempfile::Builder::new();
        let probe = probe.prefix(".nf-gpu-").suffix(".part").tempfile_in(&self.there);
        probe.is_ok_and(|probe| {
            let name = probe.path().file_name().unwrap_or_default().to_string_lossy();
            probe.path().with_file_name(name.to_uppercase()).exists()
        })
    }
}
