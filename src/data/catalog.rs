//! The data sets by name.

use std::{
    fs, iter,
    path::{Path, PathBuf},
};

use super::{
    checksum::FileCheck,
    cifar10::CIFAR10,
    cifar100::CIFAR100,
    dataset::{Dataset, DatasetInfo},
    fetch::{self, FetchEvent, Means},
    folder,
    gtsrb::{self, GTSRB},
    image_set::{ImageSet, Split},
    links, mnist, sample,
    subset::{WantedImages, Which},
};
use crate::error::{Error, Result};

/// Default folder of fetched files, relative to the current folder.
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
    if let Some(found) = KNOWN.iter().find(|d| d.info.name == name) {
        return Ok(found);
    }
    if name.contains(['/', '\\']) {
        let hint = "give a folder of class folders (PATH/train/CLASS/IMAGE), or a name that \
                    `nf-gpu data list` shows";
        return Err(Error::argument("dataset", format!("there is no folder {name}"), hint));
    }
    Err(Error::unknown("dataset", name, known().map(|i| i.name)))
}

impl Which {
    /// The rule for a data set by its name or path, as [`open`](super::open) takes it.
    #[must_use]
    pub fn of(dataset: &str) -> Self {
        if info(dataset).is_ok() { Self::First } else { Self::Spread }
    }
}

/// Whether `name` names a folder of the user's: it is not the name of a known data set, and a
/// folder is there.
#[must_use]
pub fn is_folder(name: &str) -> bool {
    known().all(|info| info.name != name) && Path::new(name).is_dir()
}

/// Whether `name` names a folder of images without labels: `PATH/IMAGE` (some of them perhaps in folders
/// below), or `PATH/train/IMAGE` and `PATH/test/IMAGE`. Where only one folder holds images, a part of them
/// is for testing. They have one class and labels that mean nothing ([`LabelsFrom::Nobody`](super::LabelsFrom)).
#[must_use]
pub fn is_unlabelled(name: &str) -> bool {
    is_folder(name) && folder::is_unlabelled(Path::new(name))
}

/// Refuses a folder of images without labels, for what cannot do without them.
///
/// # Errors
///
/// [`Error::Format`] naming the folder; the hint says where labels come from.
pub fn need_labels(name: &str) -> Result<()> {
    if is_folder(name) { folder::need_labels(Path::new(name)) } else { Ok(()) }
}

/// Files and folders that a data set is read from. In a folder of the user's these are the entries that are
/// named after a split: folders, and CSV lists of images. Links below them are included, because the files that
/// they lead to are read as well.
#[must_use]
pub fn places(name: &str, dir: &Path) -> Vec<PathBuf> {
    let mut places = match KNOWN.iter().find(|set| set.info.name == name) {
        Some(set) if set.info.embedded => Vec::new(),
        Some(set) => {
            let files = iter::once(&set.files).chain(set.others);
            let folders = files.map(|files| dir.join(files.folder));
            // Kaggle's GTSRB may lie around the folder that it belongs into.
            let around =
                (name == "gtsrb").then(|| gtsrb::kaggle_parts(&dir.join(set.files.folder)));
            folders.chain(around.into_iter().flatten()).collect()
        }
        // Any file written into this folder could be read as one of its images the next time, so all of it
        // counts.
        None if is_unlabelled(name) && splits(Path::new(name)).is_empty() => vec![name.into()],
        None => splits(Path::new(name)),
    };
    let linked: Vec<_> = places.iter().flat_map(|place| links::below(place)).collect();
    places.extend(linked);
    places
}

/// The entries of a folder that are named after a split: folders, and CSV lists of images.
fn splits(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return vec![folder.to_owned()] };
    let of_split = |path: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let list = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        folder::is_of_split(&stem) && (list || path.is_dir())
    };
    entries.flatten().map(|e| e.path()).filter(of_split).collect()
}

/// Opens a data set by name (`cifar10`, `fashion-sample`, ...) from the files under `dir`
/// ([`DEFAULT_DIR`] unless the user says otherwise; an embedded data set looks at no files), or a
/// folder of class folders with all its images at 32x32.
pub fn open(name: &str, dir: &Path, split: Split) -> Result<ImageSet> {
    open_sized(name, dir, split, 32)
}

/// Opens a data set whose images are to be `side x side`: a named set must be so, the images of a
/// folder of class folders (`name` is its path) are resized, as torchvision's `Resize((side, side))`
/// does it. A folder's images are decoded anew at each call, on all cores.
///
/// # Errors
///
/// [`Error::Unknown`] for the name; [`Error::Argument`] for the side; [`Error::Format`] when files
/// are missing (the hint says how to fetch them), truncated, or hold a label that is no class, and
/// when a folder's classes or images are not as they should be; [`Error::Read`].
pub fn open_sized(name: &str, dir: &Path, split: Split, side: u32) -> Result<ImageSet> {
    open_some(name, dir, split, side, WantedImages::All)
}

/// Like [`open_sized`], but opens only the `wanted` number of images: the first ones of a named set, evenly
/// spaced ones of a folder ([`Which`]). The other images of a folder are not read.
///
/// # Errors
///
/// The errors of [`open_sized`]; [`Error::Argument`] for more images than there are, and for none.
pub fn open_some(
    name: &str,
    dir: &Path,
    split: Split,
    side: u32,
    wanted: WantedImages,
) -> Result<ImageSet> {
    if is_folder(name) {
        return folder::open(Path::new(name), split, side, wanted);
    }
    let set = (sided(name, side)?.open)(dir, split)?;
    let n = wanted.of(set.len())?;
    Ok(set.some(Which::First, n))
}

/// The names of the classes, in the order of the labels. No image is read.
///
/// # Errors
///
/// [`Error::Unknown`] for the name; [`Error::Format`] for a folder that is no folder of class folders;
/// [`Error::Read`].
pub fn class_names(name: &str) -> Result<Vec<String>> {
    need_labels(name)?;
    if is_folder(name) {
        return Ok(folder::Scan::of(Path::new(name), Split::Test)?.classes);
    }
    Ok(info(name)?.class_names.iter().map(ToString::to_string).collect())
}

/// A few images for a look at a data set: at least `n` of each class (all of a class that has fewer), and the
/// number of images of each class. Of a folder, only `n` images of each class are decoded.
pub fn preview(
    name: &str,
    dir: &Path,
    split: Split,
    side: u32,
    n: usize,
) -> Result<(ImageSet, Vec<usize>)> {
    if is_folder(name) {
        let scan = folder::Scan::of(Path::new(name), split)?;
        return Ok((folder::open_some(&scan, n, side)?, scan.class_counts()));
    }
    let set = open_sized(name, dir, split, side)?;
    let counts = set.class_counts();
    Ok((set, counts))
}

/// Remarks for the user about a folder of images that will be resized to `side x side`, one line each: for
/// example which files are ignored, or that images become much smaller. There are none about a named set.
///
/// # Errors
///
/// [`Error::Format`] and [`Error::Read`] when the folder is not as it should be.
pub fn remarks(name: &str, split: Split, side: u32) -> Result<Vec<String>> {
    if !is_folder(name) {
        return Ok(Vec::new());
    }
    let scan = folder::Scan::look(Path::new(name), split)?;
    Ok(folder::remarks(&scan, side))
}

/// Class names and the number of images of each class. A folder's images are counted, not read.
pub fn contents(name: &str, dir: &Path, split: Split) -> Result<(Vec<String>, Vec<usize>)> {
    if is_folder(name) {
        // Problems with single files are reported by `check`, and by the functions that read the files.
        let scan = folder::Scan::look(Path::new(name), split)?;
        let counts = scan.class_counts();
        return Ok((scan.classes, counts));
    }
    let set = (dataset(name)?.open)(dir, split)?;
    let counts = set.class_counts();
    Ok((set.class_names, counts))
}

/// The data set of that name, if its images are `side x side`.
fn sided(name: &str, side: u32) -> Result<&'static Dataset> {
    let set = dataset(name)?;
    let (h, w) = (set.info.height, set.info.width);
    if (h, w) != (side, side) {
        let what = format!("the images of {name} are {h}x{w}, not {side}x{side}");
        let hint = format!("use images of {h}x{w}, or a folder of class folders, which gives any");
        return Err(Error::argument("dataset", what, hint));
    }
    Ok(set)
}

/// Brings the files of a data set into `dir`, checked; files that are there and right are kept. An
/// embedded data set and a folder need nothing.
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
    if is_folder(name) {
        return Ok(());
    }
    let set = dataset(name)?;
    if set.info.embedded {
        return Ok(());
    }
    fetch::fetch(name, set.files, &(set.sources)(), &Means::default(), dir, progress)
}

/// Checks every file of a data set by size and checksum, or by reading it where it has none.
///
/// # Errors
///
/// [`Error::Unknown`] for the name; [`Error::Format`] for a folder that is no folder of class folders;
/// [`Error::Read`]. A problem with a file is reported in its [`FileCheck`], not as an error.
pub fn check(name: &str, dir: &Path) -> Result<Vec<FileCheck>> {
    if is_folder(name) {
        return folder::check(Path::new(name));
    }
    (dataset(name)?.check)(dir)
}

/// Whether every file of a data set is there with the right size: a quick look, while [`check`]
/// reads the files.
///
/// # Errors
///
/// [`Error::Unknown`] for the name.
pub fn is_here(name: &str, dir: &Path) -> Result<bool> {
    Ok(is_folder(name) || (dataset(name)?.is_here)(dir))
}
