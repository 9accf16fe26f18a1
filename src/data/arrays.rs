//! Image sets in NumPy's arrays: an archive `data.npz` of `x_train`, `y_train`, `x_test` and `y_test`, or a
//! folder of `.npy` files of these names, of which one may be named in its place.

mod labels;
mod pixels;
mod store;

use std::path::{Path, PathBuf};

use super::{
    checksum::{FileCheck, FileState},
    image_set::{ImageSet, LabelsFrom, Split},
    preprocess::Preprocessing,
    subset::{Subset, WantedImages, Which},
};
use crate::error::{Error, Result};
use labels::ClassLabels;
use pixels::{PixelScale, Pixels};
use store::{ArrayName, ArrayStore};

/// What a user must give, in words.
pub(super) const LAYOUT: &str = "arrays are x_train, y_train, x_test and y_test, in an archive data.npz \
                                 (np.savez) or as files x_test.npy, y_test.npy, ... in one folder";

/// An image set in arrays, of which nothing has been read.
#[derive(Debug)]
pub(super) struct Arrays {
    store: ArrayStore,
}

impl Arrays {
    /// The arrays that a name leads to: an archive, one of the files, or a folder that holds some of them.
    pub(super) fn at(name: &str) -> Option<Self> {
        ArrayStore::at(Path::new(name)).map(|store| Self { store })
    }

    /// The name of the set: that of the archive or of the folder.
    pub(super) fn name(&self) -> String {
        self.store.name()
    }

    /// The files that are read.
    pub(super) fn places(&self) -> Vec<PathBuf> {
        self.store.files()
    }

    /// Labels of a split.
    fn labels(&self, split: Split) -> Result<ClassLabels> {
        ClassLabels::read(self.store.open(ArrayName::Labels, split)?)
    }

    /// Names of the classes, and the labels of a split. The classes are those of both splits, as far as they
    /// are there.
    fn classes(&self, split: Split) -> Result<(Vec<String>, Vec<u16>)> {
        let own = self.labels(split)?;
        let other = match split {
            Split::Train => Split::Test,
            Split::Test => Split::Train,
        };
        let other = match self.store.has(ArrayName::Labels, other) {
            true => self.labels(other)?.classes,
            false => 0,
        };
        let names = (0..own.classes.max(other)).map(|class| class.to_string()).collect();
        Ok((names, own.labels))
    }

    /// Names of the classes: their numbers.
    pub(super) fn class_names(&self) -> Result<Vec<String>> {
        let has = |split| self.store.has(ArrayName::Labels, split);
        // Where there are none at all, those of the test split are missed, which every command wants.
        let train = has(Split::Train) && !has(Split::Test);
        Ok(self.classes(if train { Split::Train } else { Split::Test })?.0)
    }

    /// Names of the classes and the number of images of each.
    pub(super) fn contents(&self, split: Split) -> Result<(Vec<String>, Vec<usize>)> {
        let (names, labels) = self.classes(split)?;
        let mut counts = vec![0; names.len()];
        labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        Ok((names, counts))
    }

    /// Channels, rows and columns of the images of a split as they are.
    pub(super) fn chw(&self, split: Split) -> Result<[u32; 3]> {
        Ok(Pixels::of(self.store.open(ArrayName::Images, split)?, None)?.layout.chw)
    }

    /// Images of a split in this form, evenly spread where not all are wanted.
    ///
    /// # Errors
    /// [`Error::Format`] for arrays that are missing, damaged, of other types or shapes; [`Error::Argument`]
    /// for more images than there are; [`Error::Read`].
    pub(super) fn open(
        &self,
        split: Split,
        form: Preprocessing,
        wanted: WantedImages,
    ) -> Result<ImageSet> {
        let form = form.checked()?;
        let open = || Pixels::of(self.store.open(ArrayName::Images, split)?, Some(form));
        let first = open()?;
        let len = first.layout.n;
        let (class_names, labels) = self.classes(split)?;
        if labels.len() != len {
            let what = format!("it has {} labels for {len} images", labels.len());
            let path = self.store.path(ArrayName::Labels, split);
            return Err(Error::format(path, what, "give one label an image, [N]"));
        }
        // The scale of floating-point numbers shows only in all of them.
        let (first, scale) = match first.needs_scale() {
            false => (first, PixelScale::Bytes),
            true => (open()?, first.scale()?),
        };
        let n = wanted.of(len)?;
        let indices = Which::Spread.indices(n, len);
        let pixels = first.read(&indices, scale, form)?;
        let [channels, height, width] = form.chw;
        Ok(ImageSet {
            name: self.name(),
            split,
            channels,
            height,
            width,
            classes: class_names.len() as u32,
            class_names,
            pixels,
            labels: indices.iter().map(|&i| labels[i]).collect(),
            subset: Subset::new(Which::Spread, n, len),
            labels_from: LabelsFrom::DataSet,
        })
    }

    /// Reads every array whole: one check for each.
    pub(super) fn check(&self) -> Result<Vec<FileCheck>> {
        let mut checks = Vec::new();
        for split in [Split::Train, Split::Test] {
            for array in [ArrayName::Images, ArrayName::Labels] {
                let looked = match array {
                    ArrayName::Images => self.look_at_images(split),
                    ArrayName::Labels => {
                        self.labels(split).map(|labels| labels.labels.len() as u64)
                    }
                };
                let (bytes, state, hint) = match looked {
                    Ok(bytes) => (bytes, FileState::Right, None),
                    Err(Error::Format { what, hint, .. }) => {
                        (0, FileState::Unreadable { why: what }, Some(hint))
                    }
                    Err(e) => (0, FileState::Unreadable { why: e.to_string() }, e.hint()),
                };
                let check = FileCheck::looked_at(self.store.path(array, split), bytes, state);
                checks.push(FileCheck { hint, ..check });
            }
        }
        Ok(checks)
    }

    /// Reads all images of a split as they are, and says how many bytes they are.
    fn look_at_images(&self, split: Split) -> Result<u64> {
        let open = || Pixels::of(self.store.open(ArrayName::Images, split)?, None);
        let first = open()?;
        let bytes = first.layout.bytes();
        if first.needs_scale() {
            first.scale()?;
        } else {
            let form = first.layout.chw.into();
            first.read(&[], PixelScale::Bytes, form)?;
        }
        Ok(bytes)
    }
}

/// The error for a file whose name says array, and that leads to none.
pub(super) fn no_arrays(name: &str) -> Option<Error> {
    let ending = Path::new(name).extension()?.to_str()?.to_ascii_lowercase();
    if ending != "npz" && ending != "npy" {
        return None;
    }
    let there = Path::new(name).exists();
    let what = match there {
        true => format!("{name} has none of the names of arrays"),
        false => format!("there is no file {name}"),
    };
    Some(Error::argument("dataset", what, LAYOUT))
}

#[cfg(test)]
mod tests;
