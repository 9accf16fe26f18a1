//! The files of a data set: their names, sizes and checksums, and where they lie.

use std::path::{Path, PathBuf};

use super::{
    checksum::{FileCheck, Sum},
    packed,
};
use crate::error::Result;

/// The files of a data set, in one folder.
#[derive(Clone, Copy)]
pub(super) struct DataFiles {
    /// Folder of the files, relative to the data folder.
    pub(super) folder: &'static str,
    pub(super) list: &'static [DataFile],
}

/// A file of a data set. Size and checksum are those of the unpacked file.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataFile {
    pub(super) name: &'static str,
    pub(super) bytes: u64,
    pub(super) sum: Sum,
}

impl DataFile {
    pub(super) const fn md5(name: &'static str, bytes: u64, md5: &'static str) -> Self {
        Self { name, bytes, sum: Sum::Md5(md5) }
    }
}

impl DataFiles {
    /// Path of the file of that name or of its packed form; if neither exists, where the file
    /// should be.
    pub(super) fn path(&self, dir: &Path, name: &str) -> PathBuf {
        let path = dir.join(self.folder).join(name);
        packed::find(&path).unwrap_or(path)
    }

    pub(super) fn check(&self, dir: &Path) -> Result<Vec<FileCheck>> {
        let folder = dir.join(self.folder);
        self.list.iter().map(|f| FileCheck::of(folder.join(f.name), f.bytes, f.sum)).collect()
    }

    /// True when every file is there, with the right size unless it is packed.
    pub(super) fn are_here(&self, dir: &Path) -> bool {
        self.list.iter().all(|f| {
            let path = self.path(dir, f.name);
            path.metadata().is_ok_and(|m| m.len() == f.bytes || packed::is_packed(&path))
        })
    }
}
