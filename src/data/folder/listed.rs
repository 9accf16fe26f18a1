//! Test images in one folder whose classes are in a list: `Test/IMAGE` and `Test.csv`, as in Kaggle's GTSRB.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::layout;
use crate::{
    data::{gtsrb::annotations, image_set::Split},
    error::{Error, Result},
    files::read_file,
};

/// The list, where there is one and the test images are not in class folders.
pub(super) fn file(top: &Path) -> Option<PathBuf> {
    let root = layout::root(top, Split::Test).ok()?;
    let list =
        ["Test.csv", "test.csv"].into_iter().map(|name| top.join(name)).find(|p| p.is_file())?;
    layout::folders(&root).ok()?.is_empty().then_some(list)
}

/// The images that the list names, relative to the test folder `root`, with their classes: the folders of
/// the training images, whose names are the numbers in the list.
///
/// # Errors
/// [`Error::Format`]: the file is no such list, or names a class or an image that does not exist.
pub(super) fn images(list: &Path, root: &Path, classes: &[String]) -> Result<Vec<(String, u16)>> {
    let hint = "the list has a column ClassId with the names of the folders in train, and a column Path \
                with the files in the test folder";
    let lines = annotations::parse(list, &read_file(list)?, u32::from(u16::MAX), hint)?;
    let wrong = |what: String| Error::format(list, what, hint);
    let image = |(file, number): (String, u16)| {
        let is_it = |class: &String| class.parse() == Ok(number);
        let label = classes.iter().position(is_it).and_then(|label| u16::try_from(label).ok());
        let label = label.ok_or_else(|| {
            wrong(format!("{file} has class {number}, which is no folder in train"))
        })?;
        // The list's paths begin in the folder above: the first part is dropped.
        let name = file.split_once('/').map_or(&*file, |(_, name)| name).to_owned();
        if !root.join(&name).is_file() {
            return Err(wrong(format!("it lists {file}, which is not there")));
        }
        Ok((name, label))
    };
    let mut images = lines.into_iter().map(image).collect::<Result<Vec<_>>>()?;
    let mut seen = HashSet::new();
    if let Some((name, _)) = images.iter().find(|(name, _)| !seen.insert(name)) {
        let what = format!("two lines name one image, {name} of the test folder");
        return Err(Error::format(list, what, annotations::ONCE));
    }
    images.sort_by(|(a, x), (b, y)| (x, a).cmp(&(y, b)));
    if images.is_empty() {
        return Err(wrong("it lists no image".into()));
    }
    Ok(images)
}
