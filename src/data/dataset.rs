//! The declaration of a data set: its name and classes, its files, and where they come from.

use std::path::Path;

use super::{
    checksum::FileCheck,
    data_files::DataFiles,
    fetch::FileSource,
    image_set::{ImageSet, LabelsFrom, Split},
};
use crate::error::Result;

/// What is known of a data set before any file is read.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct DatasetInfo {
    /// The name that [`open`](super::open) takes.
    pub name: &'static str,
    /// Description in one line.
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
    /// Whether an image keeps its class in a mirror: digits and signs do not.
    #[serde(skip)]
    pub mirrors: bool,
    /// Whether training moves and scales its images, as the reference code does with traffic signs.
    #[serde(skip)]
    pub scales: bool,
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

    /// Puts colour pixels `[N][3][H][W]` and labels `[N]` under this data set's name and classes.
    pub(super) fn image_set(&self, split: Split, pixels: Vec<u8>, labels: Vec<u16>) -> ImageSet {
        self.image_set_of([3, self.height, self.width], split, pixels, labels)
    }

    /// Puts pixels `[N][C][H][W]` and labels `[N]` under this data set's name and classes.
    pub(super) fn image_set_of(
        &self,
        [channels, height, width]: [u32; 3],
        split: Split,
        pixels: Vec<u8>,
        labels: Vec<u16>,
    ) -> ImageSet {
        ImageSet {
            name: self.name.into(),
            split,
            channels,
            height,
            width,
            classes: self.classes,
            class_names: self.class_names.iter().map(ToString::to_string).collect(),
            pixels,
            labels,
            subset: None,
            labels_from: LabelsFrom::DataSet,
        }
    }

    /// The hint for a file that is missing or wrong.
    pub(super) fn fetch_again(&self) -> String {
        format!("run `nf-gpu data fetch {}`: it replaces files that are not right", self.name)
    }
}

/// Colour images of 32x32.
pub(super) const COLOUR_32: [u32; 3] = [3, 32, 32];

/// A data set. Each is declared in a source file of its own and listed in the catalogue.
pub(super) struct Dataset {
    pub(super) info: DatasetInfo,
    /// Images `[C, H, W]` in which it is read: first as the networks with a name take them, last as it is.
    pub(super) shapes: &'static [[u32; 3]],
    /// The files that a fetch brings.
    pub(super) files: DataFiles,
    /// Alternative files, which are read in place of `files` if they exist.
    pub(super) others: &'static [DataFiles],
    /// Sources that a fetch tries, in this order.
    pub(super) sources: fn() -> Vec<FileSource>,
    /// Reads a split from the files under the data folder, in one of its shapes.
    pub(super) open: fn(&Path, Split, [u32; 3]) -> Result<ImageSet>,
    /// Verifies every file under the data folder.
    pub(super) check: fn(&Path) -> Result<Vec<FileCheck>>,
    /// Whether all files exist, by a quick look without reading them.
    pub(super) is_here: fn(&Path) -> bool,
}
