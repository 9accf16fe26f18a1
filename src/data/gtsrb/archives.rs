//! The official archives of GTSRB: which files they are, and which images and classes they hold.

use std::path::{Path, PathBuf};

use super::{
    INFO,
    annotations::{self, AGAIN},
    kaggle,
    tree::{List, Tree},
};
use crate::{
    data::{image_cache::Stamp, image_set::Split},
    error::{Error, Result},
};

/// The archive of the training images, a CSV file per class among them.
pub(super) const TRAIN: &str = "GTSRB_Final_Training_Images.zip";
/// The archive of the test images, whose CSV file has no classes.
pub(super) const TEST: &str = "GTSRB_Final_Test_Images.zip";
/// The archive of the test images' classes.
pub(super) const CLASSES: &str = "GTSRB_Final_Test_GT.zip";
/// The CSV file in [`CLASSES`].
const TEST_CSV: &str = "GT-final_test.csv";

/// The images of a split and their classes, not yet read.
pub(super) struct Signs {
    /// Folder or archive that holds the images.
    pub(super) tree: Tree,
    /// Name in the tree and class of each image, sorted by folder and line, which is track order.
    pub(super) list: List,
    /// The files whose change makes a copy of the images stale.
    sources: Vec<PathBuf>,
    folder: PathBuf,
}

impl Signs {
    /// Looks for the images under `folder`: unpacked, or in the archives as downloaded.
    pub(super) fn find(folder: &Path, split: Split) -> Result<Self> {
        let zip = folder.join(archive(split));
        let mut sources = Vec::new();
        let (tree, list) = match unpacked(folder, split) {
            Some(path) => official(folder, split, Tree::Folder(path), &mut sources)?,
            None if zip.is_file() => {
                let tree = Tree::zip(&zip, images(split))?;
                sources.push(zip);
                official(folder, split, tree, &mut sources)?
            }
            None => {
                let place = kaggle::place(folder).ok_or_else(|| nothing(folder, &zip, split))?;
                let found = kaggle::images(&place, split)?;
                sources.extend(place.is_file().then_some(place));
                found
            }
        };
        if let Tree::Folder(_) = tree {
            sources.extend(list.iter().map(|(name, _)| tree.path(name)));
        }
        for class in 0..INFO.classes {
            if !list.iter().any(|&(_, label)| u32::from(label) == class) {
                let what = format!("no {split} image of class {class} is listed");
                return Err(Error::format(tree.path(""), what, AGAIN));
            }
        }
        Ok(Self { tree, list, sources, folder: folder.into() })
    }

    /// Sizes and times of the files that the images come from.
    pub(super) fn stamps(&self) -> Result<Vec<Stamp>> {
        let name = |path: &Path| {
            let short = path.strip_prefix(&self.folder).unwrap_or(path);
            short.to_string_lossy().replace('\\', "/")
        };
        self.sources.iter().map(|path| Stamp::of(name(path), path)).collect()
    }
}

/// Images and classes as the official archives list them; the files that are read for it are added to
/// `sources`.
fn official(
    folder: &Path,
    split: Split,
    tree: Tree,
    sources: &mut Vec<PathBuf>,
) -> Result<(Tree, List)> {
    let list = match split {
        Split::Train => training(tree.clone())?,
        Split::Test => test(folder, &tree, sources)?,
    };
    Ok((tree, list))
}

fn archive(split: Split) -> &'static str {
    match split {
        Split::Train => TRAIN,
        Split::Test => TEST,
    }
}

/// The folder of the images in an archive.
fn images(split: Split) -> &'static str {
    match split {
        Split::Train => "Final_Training/Images/",
        Split::Test => "Final_Test/Images/",
    }
}

/// The folder of unpacked images.
fn unpacked(folder: &Path, split: Split) -> Option<PathBuf> {
    let places = [folder.join("GTSRB"), folder.to_owned()];
    places.into_iter().map(|p| p.join(images(split))).find(|p| p.is_dir())
}

/// Whether the images of a split are there unpacked, with their classes, or in Kaggle's form, for which no
/// checksums are known either.
pub(super) fn is_unpacked(folder: &Path, split: Split) -> bool {
    let listed = || split == Split::Train || test_csv(folder).is_some();
    let archived = || folder.join(archive(split)).is_file();
    (unpacked(folder, split).is_some() && listed())
        || (!archived() && kaggle::place(folder).is_some())
}

/// The training images: a CSV file in each class's folder.
fn training(mut tree: Tree) -> Result<List> {
    // A copy of a class's folder beside it, `00000 (1)`, is no second class folder.
    let csv = |name: &str| {
        name.split_once('/').is_some_and(|(class, file)| {
            let is_list = file.starts_with("GT-") && file.ends_with(".csv") && !file.contains('/');
            is_list && class.parse::<u16>().is_ok()
        })
    };
    let mut list = Vec::new();
    for name in tree.names(csv)? {
        let path = tree.path(&name);
        let (class, _) = name.split_once('/').unwrap_or_default();
        for (file, label) in annotations::parse(&path, &tree.read(&name)?, INFO.classes, AGAIN)? {
            if class.parse().is_ok_and(|folder: u16| folder != label) {
                let what = format!("{file} has class {label}, and the folder is {class}");
                return Err(Error::format(&path, what, AGAIN));
            }
            let file = format!("{class}/{file}");
            present(&tree, &path, &file)?;
            list.push((file, label));
        }
    }
    Ok(list)
}

/// The test images, whose classes are in a CSV file that lies elsewhere.
fn test(folder: &Path, tree: &Tree, sources: &mut Vec<PathBuf>) -> Result<List> {
    let csv = test_csv(folder).ok_or_else(|| {
        let what = "the classes of the test images are not there";
        let hint = format!("put {CLASSES} beside the images: run `nf-gpu data fetch gtsrb`");
        Error::format(folder.join(CLASSES), what, hint)
    })?;
    let mut holder = match csv.extension().is_some_and(|e| e == "zip") {
        true => Tree::zip(&csv, "")?,
        false => Tree::Folder(csv.with_file_name("")),
    };
    let path = holder.path(TEST_CSV);
    if !holder.has(TEST_CSV) {
        return Err(Error::format(&path, "this file is not in the archive", AGAIN));
    }
    let list = annotations::parse(&path, &holder.read(TEST_CSV)?, INFO.classes, AGAIN)?;
    list.iter().try_for_each(|(file, _)| present(tree, &path, file))?;
    sources.push(csv);
    Ok(list)
}

/// Where the classes of the test images are: a CSV file or the archive that holds it.
fn test_csv(folder: &Path) -> Option<PathBuf> {
    let unpacked = unpacked(folder, Split::Test).map(|p| p.join(TEST_CSV));
    let places = [folder.join(TEST_CSV), folder.join("GTSRB").join(TEST_CSV)];
    places.into_iter().chain(unpacked).chain([folder.join(CLASSES)]).find(|p| p.is_file())
}

fn present(tree: &Tree, csv: &Path, file: &str) -> Result<()> {
    if tree.has(file) {
        return Ok(());
    }
    Err(Error::format(csv, format!("it lists {file}, which is not there"), AGAIN))
}

/// The error for a split whose images are missing, or of which only an incomplete set is there.
fn nothing(folder: &Path, zip: &Path, split: Split) -> Error {
    let partial = [folder.join("GTSRB-Training_fixed.zip"), folder.join("GTSRB/Training")];
    if let Some(found) = partial.into_iter().find(|p| split == Split::Train && p.exists()) {
        let what = "this holds 26,640 of the 39,209 training images (an earlier competition's, \
                    which torchvision takes)";
        return Error::format(
            found,
            what,
            format!("run `nf-gpu data fetch gtsrb`: it gets {TRAIN}"),
        );
    }
    Error::format(
        zip,
        "this file of gtsrb is not there",
        "run `nf-gpu data fetch gtsrb`, point --data-dir at the folder that holds gtsrb (or the \
         records gtsrb32), or use --dataset fashion-sample",
    )
}
