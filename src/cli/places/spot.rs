//! The identity of a place on the disk, independent of how its path is spelt.

use crate::files::atomic;
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// The identity of an existing file or folder.
#[cfg(unix)]
pub(super) type Id = (u64, u64);
#[cfg(not(unix))]
pub(super) type Id = PathBuf;

/// The identity of an existing file or folder, which links of both kinds and mounts can give several names.
pub(super) fn id(path: &Path) -> Option<Id> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).ok().map(|there| (there.dev(), there.ino()))
    }
    #[cfg(not(unix))]
    fs::canonicalize(path).ok()
}

/// The identity of a place that may not exist yet: the deepest existing ancestor (or itself), and the names
/// below it.
pub(super) type SpotKey = (Id, Vec<OsString>);

/// The key of [`Spot::of`]. An existing file takes a shortcut with a single lookup, because a data set may
/// have a million of links.
pub(super) fn key(path: &Path) -> Option<SpotKey> {
    match fs::metadata(path) {
        Ok(there) if there.is_file() => Some((id(path)?, Vec::new())),
        _ => Spot::of(path).map(|spot| spot.key),
    }
}

/// A place that exists, or will be made.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) key: SpotKey,
    /// The existing part of the path, without links and dots.
    there: PathBuf,
}

impl Spot {
    /// Returns `None` for a device or a pipe, and where no part of the path can be looked up.
    pub(super) fn of(path: &Path) -> Option<Self> {
        if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
            return None;
        }
        let (mut at, mut rest, mut links) = (path.to_owned(), Vec::new(), 0);
        let there = loop {
            // A bare name lies in the current folder.
            let here = if at.as_os_str().is_empty() { Path::new(".") } else { &at };
            if let Ok(there) = fs::canonicalize(here) {
                break there;
            }
            // A link whose target does not exist yet is followed all the same, as writing would.
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

    /// The folders above the place, and the place itself if it exists.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.there.ancestors()
    }

    /// A key that is the same for all spellings in upper and lower case.
    pub(super) fn folded(&self) -> SpotKey {
        let lower = |name: &OsString| name.to_string_lossy().to_lowercase().into();
        (self.key.0, self.key.1.iter().map(lower).collect())
    }

    /// Whether the file system of this place ignores case; it is found out with a temporary file.
    pub(super) fn ignores_case(&self) -> bool {
        let mut probe = tempfile::Builder::new();
        let probe = probe.prefix(".nf-gpu-").suffix(".part").tempfile_in(&self.there);
        probe.is_ok_and(|probe| {
            let name = probe.path().file_name().unwrap_or_default().to_string_lossy();
            probe.path().with_file_name(name.to_uppercase()).exists()
        })
    }
}
