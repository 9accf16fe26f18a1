//! The data sets by name.

use std::path::Path;

use super::{
    checksum::FileCheck,
    cifar10,
    fetch::FetchEvent,
    image_set::{ImageSet, Split},
    sample,
};
use crate::error::{Error, Result};

/// Where fetched files go unless something else is said, relative to the current folder.
pub const DEFAULT_DIR: &str = "datasets/cache";

/// What is known of a data set before any file is read.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct DatasetInfo {
    /// The name that [`open`] takes.
    pub name: &'static str,
    /// One line: what it is.
    pub title: &'static str,
    /// Number of training images.
    pub train_images: u32,
    /// Number of test images.
    pub test_images: u32,
    /// Rows of an image.
    pub height: u32,
    /// Columns of an image.
    pub width: u32,
    /// Number of classes.
    pub classes: u32,
    /// Class names, in the order of the labels.
    pub class_names: &'static [&'static str],
    /// Licence, in words.
    pub licence: &'static str,
    /// Home page.
    pub source: &'static str,
    /// Bytes on disk, or in the program when embedded.
    pub bytes: u64,
    /// True when the data set is in the program and needs no files.
    pub embedded: bool,
}

impl DatasetInfo {
    /// Number of images of a split.
    #[must_use]
    pub fn images(&self, split: Split) -> u32 {
        match split {
            Split::Train => self.train_images,
            Split::Test => self.test_images,
        }
    }

    /// Puts pixels `[N][3][H][W]` and labels `[N]` under this data set's name and classes.
    pub(super) fn image_set(&self, split: Split, pixels: Vec<u8>, labels: Vec<u8>) -> ImageSet {
        ImageSet {
            name: self.name.into(),
            split,
            height: self.height,
            width: self.width,
            classes: self.classes,
            class_names: self.class_names.iter().map(ToString::to_string).collect(),
            pixels,
            labels,
        }
    }
}

static KNOWN: [DatasetInfo; 2] = [cifar10::INFO, sample::INFO];

/// Every data set that [`open`] takes.
#[must_use]
pub fn known() -> &'static [DatasetInfo] {
    &KNOWN
}

/// The data set of that name.
///
/// # Errors
///
/// [`Error::Unknown`] with the nearest known name.
pub fn info(name: &str) -> Result<&'static DatasetInfo> {
    let unknown = || Error::unknown("dataset", name, KNOWN.iter().map(|i| i.name));
    KNOWN.iter().find(|i| i.name == name).ok_or_else(unknown)
}

/// Opens a data set by name (`cifar10`, `fashion-sample`) from the files under `dir`
/// ([`DEFAULT_DIR`] unless the user says otherwise; an embedded data set looks at no files).
///
/// # Errors
///
/// [`Error::Unknown`] for the name; [`Error::Format`] when files are missing (the hint says how
/// to fetch them), truncated, or hold a label that is no class; [`Error::Read`].
pub fn open(name: &str, dir: &Path, split: Split) -> Result<ImageSet> {
    if info(name)?.embedded { sample::open(split) } else { cifar10::open(dir, split) }
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
    if info(name)?.embedded {
        return Ok(());
    }
    cifar10::fetch(dir, &cifar10::Sources::default(), progress)
}

/// Checks every file of a data set by size and MD5.
///
/// # Errors
///
/// [`Error::Unknown`] for the name; [`Error::Read`]. What is wrong with a file is in its
/// [`FileCheck`], not an error.
pub fn check(name: &str, dir: &Path) -> Result<Vec<FileCheck>> {
    if info(name)?.embedded { Ok(sample::check()) } else { cifar10::check(dir) }
}

/// Whether every file of a data set is there with the right size: a quick look, while [`check`]
/// reads the files.
///
/// # Errors
///
/// [`Error::Unknown`] for the name.
pub fn is_here(name: &str, dir: &Path) -> Result<bool> {
    Ok(info(name)?.embedded || cifar10::is_here(dir))
}
