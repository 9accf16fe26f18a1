//! GTSRB as Kaggle has it: `Train/CLASS/IMAGE`, `Test/IMAGE` and `Test.csv`, unpacked or as downloaded. (Its
//! archive holds everything a second time under names in small letters.)

use std::path::{Path, PathBuf};

use super::{
    INFO, annotations,
    tree::{List, Tree},
};
use crate::{
    data::{decode, image_set::Split, litter},
    error::{Error, Result},
};

const TEST_CSV: &str = "Test.csv";
/// Names that the archive is downloaded under.
const ARCHIVES: [&str; 2] = ["archive.zip", "gtsrb-german-traffic-sign.zip"];

/// Path of Kaggle's copy: its folder or its archive, in `folder` (of the data set) or in the parent of
/// `folder`.
pub(super) fn place(folder: &Path) -> Option<PathBuf> {
    let around = [Some(folder), folder.parent()].into_iter().flatten();
    let is_unpacked = |top: &PathBuf| top.join("Train").is_dir() && top.join(TEST_CSV).is_file();
    let archives =
        |top: &Path| ARCHIVES.map(|name| top.join(name)).into_iter().find(|p| p.is_file());
    around
        .clone()
        .map(Path::to_owned)
        .find(is_unpacked)
        .or_else(|| around.clone().find_map(archives))
}

/// Files and folders of Kaggle's copy if it exists, and those that would be taken in their place.
pub(in crate::data) fn parts(folder: &Path) -> Vec<PathBuf> {
    let around = [Some(folder), folder.parent()].into_iter().flatten();
    let parts = || ["Train", "Test", TEST_CSV].into_iter().chain(ARCHIVES);
    let all = around.flat_map(|top| parts().map(|part| top.join(part)));
    place(folder).map_or_else(Vec::new, |_| all.collect())
}

/// The images of a split, with their classes: training images by class and name, test images in the order of
/// the list.
///
/// # Errors
/// [`Error::Format`]: an archive or a list is damaged, or an image is not there; [`Error::Read`].
pub(super) fn images(place: &Path, split: Split) -> Result<(Tree, List)> {
    let folder = if split == Split::Train { "Train/" } else { "" };
    let mut tree =
        if place.is_file() { Tree::zip(place, folder)? } else { Tree::Folder(place.join(folder)) };
    let list = match split {
        Split::Train => {
            let names = tree.names(|name| class(name).is_some())?;
            let mut list: Vec<_> =
                names.into_iter().filter_map(|n| class(&n).map(|c| (n, c))).collect();
            list.sort_by(|(a, x), (b, y)| (x, a).cmp(&(y, b)));
            list
        }
        Split::Test => {
            let path = tree.path(TEST_CSV);
            let list =
                annotations::parse(&path, &tree.read(TEST_CSV)?, INFO.classes, annotations::AGAIN)?;
            if let Some((file, _)) = list.iter().find(|(file, _)| !tree.has(file)) {
                let what = format!("it lists {file}, which is not there");
                return Err(Error::format(path, what, "unpack the archive again"));
            }
            list
        }
    };
    Ok((tree, list))
}

/// The class of a training image, from its name `CLASS/IMAGE`. A file deeper down is no training image, such as
/// a thumbnail in `CLASS/@eaDir/IMAGE`.
fn class(name: &str) -> Option<u16> {
    let (class, file) = name.split_once('/').filter(|(_, file)| !file.contains('/'))?;
    let is_image = decode::is_named_image(Path::new(file)) && !litter::is_on_the_way(name);
    class.parse().ok().filter(|&c| is_image && u32::from(c) < INFO.classes)
}
