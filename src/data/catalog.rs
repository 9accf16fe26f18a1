//! The data sets by name.

use std::path::Path;

use super::{
    checksum::FileCheck,
    cifar10::CIFAR10,
    cifar100::CIFAR100,
    dataset::{Dataset, DatasetInfo},
    fetch::{self, FetchEvent, Means},
    gtsrb::GTSRB,
    image_set::{ImageSet, Split},
    mnist, sample,
};
use crate::error::{Error, Result};

/// Where fetched files go unless something else is said, relative to the current folder.
pub const DEFAULT_DIR: &str = "datasets/cache";

static KNOWN: [&Dataset; 6] =
    [&CIFAR10, &CIFAR100, &GTSRB, &mnist::FASHION, &mnist::DIGITS, &sample::SAMPLE];

/// Every data set that [`open`] takes by name.
pub fn known() -> impl Iterator<Item = &'static DatasetInfo> {
    KNOWN.iter().map(|d| &d.info)
}

/// The data set of that name.
///
/// # Errors
///
/// [`Error::Unknown`] with the nearest known name.
pub fn info(name: &str) -> Result<&'static DatasetInfo> {
    Ok(&dataset(name)?.info)
}

fn dataset(name: &str) -> Result<&'static Dataset> {
    let unknown = || Error::unknown("dataset", name, known().map(|i| i.name));
    KNOWN.iter().find(|d| d.info.name == name).copied().ok_or_else(unknown)
}

/// Opens a data set by name (`cifar10`, `fashion-sample`, ...) from the files under `dir`
/// ([`DEFAULT_DIR`] unless the user says otherwise; an embedded data set looks at no files).
///
/// # Errors
///
/// [`Error::Unknown`] for the name; [`Error::Format`] when files are missing (the hint says how
/// to fetch them), truncated, or hold a label that is no class; [`Error::Read`].
pub fn open(name: &str, dir: &Path, split: Split) -> Result<ImageSet> {
    (dataset(name)?.open)(dir, split)
}

/// Brings the files of a data set into `dir`, checked; files that are there and right are kept.
/// `progress` is told what happens and stops the work by answering `false`.
///
/// # Errors
///
/// [`Error::Unknown`] for the name; [`Error::Fetch`] when no source works; [`Error::Write`] when
/// the files cannot be written; [`Error::Interrupted`] when `progress` said so. Whatever happens,
/// no half-written data file is left: only a `.part` file from which the next call goes on.
pub fn fetch(
    name: &str,
    dir: &Path,
    progress: &mut dyn FnMut(FetchEvent<'_>) -> bool,
) -> Result<()> {
    let set = dataset(name)?;
    if set.info.embedded {
        return Ok(());
    }
    fetch::fetch(name, set.files, &(set.sources)(), &Means::default(), dir, progress)
}

/// Checks every file of a data set by size and checksum.
///
/// # Errors
///
/// [`Error::Unknown`] for the name; [`Error::Read`]. What is wrong with a file is in its
/// [`FileCheck`], not an error.
pub fn check(name: &str, dir: &Path) -> Result<Vec<FileCheck>> {
    (dataset(name)?.check)(dir)
}

/// Whether every file of a data set is there with the right size: a quick look, while [`check`]
/// reads the files.
///
/// # Errors
///
/// [`Error::Unknown`] for the name.
pub fn is_here(name: &str, dir: &Path) -> Result<bool> {
    Ok((dataset(name)?.is_here)(dir))
}
