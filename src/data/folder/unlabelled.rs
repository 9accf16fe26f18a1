//! Folders whose images are not sorted into class folders, and so have no labels.

use std::path::{Path, PathBuf};

use super::{layout, listed};
use crate::{
    data::{decode, image_set::Split, litter, subset},
    error::{Error, Result},
};

/// Name of the one class of images without labels.
pub(super) const NO_LABEL: &str = "(no label)";

/// Where one folder holds the images of both splits, one in `SHARE` of them is for testing, at most `MOST`.
const SHARE: usize = 10;
const MOST: usize = 1000;

/// Division of a folder that holds the images of both splits: `test` of its `of` images are for testing.
#[derive(Clone, Copy, Debug)]
pub(in crate::data) struct HeldOut {
    pub(in crate::data) test: usize,
    pub(in crate::data) of: usize,
}

/// Whether the images of a folder have no labels. They lie in the folder itself (and perhaps in folders below
/// it that hold no data set), or they all lie directly in its folders `train` and `test`, which hold no
/// folders.
pub(in crate::data) fn is_unlabelled(top: &Path) -> bool {
    let Ok(splits) = layout::roots(top) else { return false };
    if splits == [None, None] {
        return has_image(top) && !layout::is_deeper(top);
    }
    // Images whose classes are in a list have labels.
    let flat = |root: &PathBuf| {
        has_image(root) && layout::folders(root).is_ok_and(|folders| folders.is_empty())
    };
    splits.iter().flatten().all(flat) && listed::file(top).is_none()
}

/// Whether an image lies directly in a folder.
fn has_image(folder: &Path) -> bool {
    let Ok(entries) = folder.read_dir() else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let thing = litter::Thing::at(&path);
        let is_file = thing == litter::Thing::File && litter::kind(name, thing).is_none();
        is_file && decode::is_named_image(&path)
    })
}

/// The folder of a split's images, and whether the other split shares it.
///
/// # Errors
/// There is no such split.
pub(super) fn root(top: &Path, split: Split) -> Result<(PathBuf, bool)> {
    Ok(match (layout::roots(top)?, split) {
        ([None, None], _) => (top.to_owned(), true),
        ([Some(train), None], _) => (train, true),
        ([Some(train), Some(_)], Split::Train) => (train, false),
        ([_, Some(test)], Split::Test) => (test, false),
        // There are only test images: `root` returns the error that says what is missing.
        ([None, Some(_)], Split::Train) => (layout::root(top, split)?, false),
    })
}

/// Refuses images without labels.
pub(in crate::data) fn need_labels(top: &Path) -> Result<()> {
    if !is_unlabelled(top) {
        return Ok(());
    }
    let what = "its images are in no class folders, so they have no labels";
    let hint = format!("{}; `nf-gpu train --loss distill` needs no labels", layout::LAYOUT);
    Err(Error::format(top, what, hint))
}

impl HeldOut {
    /// Divides the images that were found in `root`, the same way at every call, and leaves those of a split.
    ///
    /// # Errors
    /// There are fewer than two.
    pub(super) fn divide(root: &Path, split: Split, found: &mut Vec<String>) -> Result<Self> {
        let of = found.len();
        if of < 2 {
            let hint = "a part of the images is for testing: give more, or folders train and test";
            return Err(Error::format(root, format!("it holds {of} image"), hint));
        }
        let test = (of / SHARE).clamp(1, MOST);
        let (held, rest) = subset::spread(test, of);
        let own = if split == Split::Test { held } else { rest };
        *found = own.into_iter().map(|i| std::mem::take(&mut found[i])).collect();
        Ok(Self { test, of })
    }

    /// A remark for the user on what is kept for testing.
    pub(super) fn line(self, split: Split) -> String {
        let Self { test, of } = self;
        match split {
            Split::Train => format!(
                "there are no test images: {test} of the {of} images, evenly spread, are kept for testing"
            ),
            Split::Test => format!(
                "there are no test images: these are {test} of the {of} images, evenly spread, which a training on \
                 the same images leaves out"
            ),
        }
    }
}
