//! CIFAR as it is downloaded for Python (`cifar-10-batches-py`, `cifar-100-python`), read where the binary files are
//! not there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    checksum::{FileCheck, Sum},
    pickle,
    records::Records,
};
use crate::{
    error::{Error, Result},
    files::read_file,
};

/// Larger files than this are not read: the largest of CIFAR has 155 MB.
const MOST: u64 = 1 << 28;

/// The files for Python of a set.
pub(super) struct PythonFiles {
    /// Their folder, relative to the data folder.
    pub(super) folder: &'static str,
    /// Names and MD5 sums.
    pub(super) list: &'static [(&'static str, &'static str)],
    /// Name of the list of labels.
    pub(super) labels: &'static str,
    /// Number of classes.
    pub(super) classes: u32,
}

impl PythonFiles {
    fn path(&self, dir: &Path, name: &str) -> PathBuf {
        dir.join(self.folder).join(name)
    }

    /// Whether all of them are there.
    pub(super) fn are_here(&self, dir: &Path) -> bool {
        self.list.iter().all(|(name, _)| self.path(dir, name).is_file())
    }

    /// Compares each with its checksum.
    pub(super) fn check(&self, dir: &Path) -> Result<Vec<FileCheck>> {
        let check = |(name, md5): &(&'static str, &'static str)| {
            let path = self.path(dir, name);
            let bytes = fs::metadata(&path).map_err(|e| Error::read(&path, e))?.len();
            FileCheck::of(path, bytes, Sum::Md5(md5))
        };
        self.list.iter().map(check).collect()
    }

    /// Appends the images of some of the files, by their places in the list; each has `n` of them.
    pub(super) fn append(
        &self,
        dir: &Path,
        which: std::ops::Range<usize>,
        n: usize,
        records: &mut Records,
    ) -> Result<()> {
        for (name, _) in &self.list[which] {
            let path = self.path(dir, name);
            let again = "get the file again; only CIFAR's own files for Python are read";
            let wrong = |what: String| Error::format(&path, what, again);
            let size = fs::metadata(&path).map_err(|e| Error::read(&path, e))?.len();
            if size > MOST {
                return Err(wrong(format!("its {size} bytes are more than such a file has")));
            }
            let bytes = read_file(&path)?;
            let batch = pickle::read(&path, &bytes, self.labels)?;
            if batch.labels.len() != n {
                return Err(wrong(format!("{} images, not {n}", batch.labels.len())));
            }
            for (i, &label) in batch.labels.iter().enumerate() {
                let Some(class) =
                    u16::try_from(label).ok().filter(|&c| u32::from(c) < self.classes)
                else {
                    let last = self.classes - 1;
                    return Err(wrong(format!(
                        "image {i} has label {label}; labels are 0 to {last}"
                    )));
                };
                records.labels.push(class);
            }
            records.pixels.extend_from_slice(batch.pixels);
        }
        Ok(())
    }
}
