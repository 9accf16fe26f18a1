//! Finds the folders of the splits in a folder of images.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::some_of;
use crate::{
    data::{
        image_set::Split,
        litter::{self, Thing},
    },
    error::{Error, Result},
};

pub(super) const LAYOUT: &str =
    "a folder data set is PATH/train/CLASS/IMAGE and PATH/test/CLASS/IMAGE (or val for test)";

/// Names that a split's folder may have, in upper or lower case. If there are several, the first in this list
/// is used.
fn names(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &["train", "training"],
        Split::Test => &["test", "testing", "val", "valid", "validation"],
    }
}

/// Whether a folder, or a list of images, of this name belongs to a split.
pub(in crate::data) fn is_of_split(name: &str) -> bool {
    let is_it = |split| names(split).iter().any(|of_split| of_split.eq_ignore_ascii_case(name));
    is_it(Split::Train) || is_it(Split::Test)
}

/// The one of these folders that belongs to a split, if there is one. `test` is preferred to `val`, and `test`
/// to `Test`.
fn among(folders: &[String], split: Split) -> Option<&String> {
    let like = |name: &&str| {
        let same = folders.iter().find(|f| f == name);
        same.or_else(|| folders.iter().find(|f| f.eq_ignore_ascii_case(name)))
    };
    names(split).iter().find_map(like)
}

/// The folders of the training split and of the test split, if they exist.
pub(super) fn roots(top: &Path) -> Result<[Option<PathBuf>; 2]> {
    let folders = folders(top)?;
    let root = |split| among(&folders, split).map(|found| top.join(found));
    Ok([Split::Train, Split::Test].map(root))
}

/// Whether one of the folders in `top` holds the folder of a split.
pub(super) fn is_deeper(top: &Path) -> bool {
    let all = folders(top).unwrap_or_default();
    [Split::Train, Split::Test].into_iter().any(|split| deeper(top, &all, split).is_some())
}

/// The folder of a split.
///
/// # Errors
/// [`Error::Format`]: there is none; the message says what is there instead.
pub(super) fn root(top: &Path, split: Split) -> Result<PathBuf> {
    let folders = folders(top)?;
    if let Some(found) = among(&folders, split) {
        return Ok(top.join(found));
    }
    let wanted = match split {
        Split::Train => "train",
        Split::Test => "test or val",
    };
    let hint = match deeper(top, &folders, split) {
        Some(deeper) => format!("it is one folder deeper: give {}", deeper.display()),
        None if split == Split::Test => {
            format!("{LAYOUT}: put a part of each class's images, such as a fifth, into test/CLASS")
        }
        None => LAYOUT.into(),
    };
    let there = if folders.is_empty() { "no folder".into() } else { some_of(&folders) };
    let what = format!("there is no folder {wanted} in it; there is {there}");
    Err(Error::format(top, what, hint))
}

/// The one of the `folders` in `top` that holds the folder of a split.
fn deeper(top: &Path, folders: &[String], split: Split) -> Option<PathBuf> {
    let within = |folder: &&String| {
        let inside = self::folders(&top.join(folder)).unwrap_or_default();
        among(&inside, split).is_some()
    };
    folders.iter().find(within).map(|folder| top.join(folder))
}

/// Names of the folders in a folder, sorted, without litter.
pub(super) fn folders(top: &Path) -> Result<Vec<String>> {
    let reading = |e| Error::read(top, e);
    let mut names = Vec::new();
    for entry in fs::read_dir(top).map_err(reading)? {
        let path = entry.map_err(reading)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let is_folder = |name: &&str| path.is_dir() && litter::kind(name, Thing::Folder).is_none();
        if let Some(name) = name.filter(is_folder) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
