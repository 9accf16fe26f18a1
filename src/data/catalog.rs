//! The data sets by name.

use std::{
    fs, iter,
    path::{Path, PathBuf},
};

use super::{
    arrays::{self, Arrays},
    checksum::FileCheck,
    cifar10::CIFAR10,
    cifar100::CIFAR100,
    dataset::{COLOUR_32, Dataset, DatasetInfo},
    fetch::{self, FetchEvent, Means},
    folder,
    gtsrb::{self, GTSRB},
    image_set::{ImageSet, Split},
    links, mnist, parallel,
    preprocess::Preprocessing,
    resize::Planes,
    sample,
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
/// [`Error::Unknown`] with the nearest known name.
pub fn info(name: &str) -> Result<&'static DatasetInfo> {
    Ok(&dataset(name)?.info)
}

fn dataset(name: &str) -> Result<&'static Dataset> {
    if let Some(found) = KNOWN.iter().find(|d| d.info.name == name) {
        return Ok(found);
    }
    if let Some(error) = arrays::no_arrays(name) {
        return Err(error);
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
        if is_named(dataset) { Self::First } else { Self::Spread }
    }
}

/// Whether `name` is that of a known data set.
#[must_use]
pub fn is_named(name: &str) -> bool {
    known().any(|info| info.name == name)
}

/// Whether `name` names a folder of pictures of the user's: it is not the name of a known data set, and a
/// folder is there that holds no arrays.
#[must_use]
pub fn is_folder(name: &str) -> bool {
    !is_named(name) && Path::new(name).is_dir() && Arrays::at(name).is_none()
}

/// Whether `name` names NumPy's arrays of the user's.
#[must_use]
pub fn is_arrays(name: &str) -> bool {
    arrays_of(name).is_some()
}

/// Whether `name` names files of the user's: a folder of pictures, or NumPy's arrays.
#[must_use]
pub fn is_yours(name: &str) -> bool {
    is_folder(name) || is_arrays(name)
}

/// The arrays that a name leads to, unless it is that of a known data set.
fn arrays_of(name: &str) -> Option<Arrays> {
    if is_named(name) { None } else { Arrays::at(name) }
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
        None => match arrays_of(name) {
            Some(arrays) => arrays.places(),
            // Any file written into this folder could be read as one of its images the next time, so all of it
            // counts.
            None if is_unlabelled(name) && splits(Path::new(name)).is_empty() => vec![name.into()],
            None => splits(Path::new(name)),
        },
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
/// ([`DEFAULT_DIR`] unless the user says otherwise; an embedded data set looks at no files), a folder of
/// class folders with all its images at 32x32, or arrays of colour images of 32x32.
pub fn open(name: &str, dir: &Path, split: Split) -> Result<ImageSet> {
    open_sized(name, dir, split, 32)
}

/// Opens a data set for a network that takes images of this form: `[C, H, W]`, or a side of colour images.
///
/// A named set must have it (MNIST and Fashion-MNIST have 28x28 and, with a border, 32x32; colour becomes grey),
/// and so must arrays (`name` is the path of `data.npz`, of `x_test.npy`, or of their folder), unless the form
/// says how images of another size get there. The images of a folder of class folders are resized, as
/// torchvision's `Resize((H, W))` does it where the form says nothing; they are decoded anew at each call, on all
/// cores.
///
/// # Errors
/// [`Error::Unknown`] for the name; [`Error::Argument`] for a form that the set cannot have; [`Error::Format`]
/// when files are missing (the hint says how to fetch them), truncated, or hold a label that is no class, and
/// when a folder's classes or images are not as they should be; [`Error::Read`].
pub fn open_sized(
    name: &str,
    dir: &Path,
    split: Split,
    form: impl Into<Preprocessing>,
) -> Result<ImageSet> {
    open_some(name, dir, split, form, WantedImages::All)
}

/// Like [`open_sized`], but opens only the `wanted` number of images: the first ones of a named set, evenly
/// spaced ones of a folder and of arrays ([`Which`]). The other images of a folder are not read.
///
/// # Errors
/// The errors of [`open_sized`]; [`Error::Argument`] for more images than there are, and for none.
pub fn open_some(
    name: &str,
    dir: &Path,
    split: Split,
    form: impl Into<Preprocessing>,
    wanted: WantedImages,
) -> Result<ImageSet> {
    let form = form.into();
    if let Some(arrays) = arrays_of(name) {
        return arrays.open(split, form, wanted);
    }
    if is_folder(name) {
        return folder::open(Path::new(name), split, form, wanted);
    }
    let (set, own) = shaped(name, form)?;
    let set = (set.open)(dir, split, own)?;
    let n = wanted.of(set.len())?;
    formed(set.some(Which::First, n), form)
}

/// The names of the classes, in the order of the labels. No image is read.
///
/// # Errors
/// [`Error::Unknown`] for the name; [`Error::Format`] for a folder that is no folder of class folders;
/// [`Error::Read`].
pub fn class_names(name: &str) -> Result<Vec<String>> {
    need_labels(name)?;
    if let Some(arrays) = arrays_of(name) {
        return arrays.class_names();
    }
    if is_folder(name) {
        return Ok(folder::Scan::of(Path::new(name), Split::Test)?.classes);
    }
    Ok(info(name)?.class_names.iter().map(ToString::to_string).collect())
}

/// Images `[C, H, W]` of a named set as the networks with a name take them, or of arrays as they are. The images
/// of a folder have no size of their own: `None`.
///
/// # Errors
/// [`Error::Unknown`] for the name; [`Error::Format`] and [`Error::Read`] for arrays.
pub fn shape(name: &str, split: Split) -> Result<Option<[u32; 3]>> {
    match arrays_of(name) {
        Some(arrays) => arrays.chw(split).map(Some),
        None if is_folder(name) => Ok(None),
        None => Ok(dataset(name)?.shapes.first().copied()),
    }
}

/// A few images for a look at a data set: at least `n` of each class (all of a class that has fewer), and the
/// number of images of each class. Of a folder, only `n` images of each class are decoded.
pub fn preview(
    name: &str,
    dir: &Path,
    split: Split,
    form: impl Into<Preprocessing>,
    n: usize,
) -> Result<(ImageSet, Vec<usize>)> {
    let form = form.into();
    if is_folder(name) {
        let scan = folder::Scan::of(Path::new(name), split)?;
        return Ok((folder::open_some(&scan, n, form)?, scan.class_counts()));
    }
    let set = open_sized(name, dir, split, form)?;
    let counts = set.class_counts();
    Ok((set, counts))
}

/// Remarks for the user about a folder of images that will get this form, one line each: for example which files
/// are ignored, or that images become much smaller. There are none about a named set or arrays.
///
/// # Errors
/// [`Error::Format`] and [`Error::Read`] when the folder is not as it should be.
pub fn remarks(name: &str, split: Split, form: impl Into<Preprocessing>) -> Result<Vec<String>> {
    if !is_folder(name) {
        return Ok(Vec::new());
    }
    let scan = folder::Scan::look(Path::new(name), split)?;
    Ok(folder::remarks(&scan, form.into()))
}

/// Class names and the number of images of each class. A folder's images are counted, not read.
pub fn contents(name: &str, dir: &Path, split: Split) -> Result<(Vec<String>, Vec<usize>)> {
    if let Some(arrays) = arrays_of(name) {
        return arrays.contents(split);
    }
    if is_folder(name) {
        // Problems with single files are reported by `check`, and by the functions that read the files.
        let scan = folder::Scan::look(Path::new(name), split)?;
        let counts = scan.class_counts();
        return Ok((scan.classes, counts));
    }
    let set = dataset(name)?;
    let own = set.shapes.last().copied().unwrap_or(COLOUR_32);
    let set = (set.open)(dir, split, own)?;
    let counts = set.class_counts();
    Ok((set.class_names, counts))
}

/// The data set of that name, and which of its shapes is read for a network that takes images of this form: the
/// form itself, or where the images are made so afterwards the one that is nearest to what they are.
fn shaped(name: &str, form: Preprocessing) -> Result<(&'static Dataset, [u32; 3])> {
    let set = dataset(name)?;
    let form = form.checked()?;
    let [c, rows, columns] = form.chw;
    if !form.takes_channels(3) {
        let what = format!("the images of {name} have 1 or 3 channels; the network takes {c}");
        let hint =
            "give arrays of such images: --dataset data.npz, or x_test.npy beside y_test.npy";
        return Err(Error::argument("dataset", what, hint));
    }
    let nearest = || {
        let same = set.shapes.iter().rev().find(|shape| shape[0] == c);
        same.or(set.shapes.last()).copied().unwrap_or(COLOUR_32)
    };
    if form.resize.is_some() {
        return Ok((set, nearest()));
    }
    let fits = |shape: &&[u32; 3]| shape[1..] == form.chw[1..];
    let same = set.shapes.iter().find(|shape| **shape == form.chw);
    let Some(&own) = same.or_else(|| set.shapes.iter().find(fits)) else {
        let (h, w) = (set.info.height, set.info.width);
        let what = format!("the images of {name} are {h}x{w}, not {rows}x{columns}");
        let hint = format!(
            "use images of {h}x{w}, or a folder of class folders, which gives any; --preprocess squash resizes these"
        );
        return Err(Error::argument("dataset", what, hint));
    };
    Ok((set, own))
}

/// The images of a set in this form.
fn formed(set: ImageSet, form: Preprocessing) -> Result<ImageSet> {
    if set.chw() == form.chw {
        return Ok(set);
    }
    let [channels, height, width] = set.chw();
    let mut pixels = vec![0; set.len() * form.bytes()];
    let empty = || Planes { channels, height, width, pixels: vec![0; set.image_len()] };
    parallel::fill(&mut pixels, form.bytes(), empty, |image, i, out| {
        image.pixels.copy_from_slice(set.image(i));
        form.fill(image, out)
    })?;
    let [channels, height, width] = form.chw;
    Ok(ImageSet { channels, height, width, pixels, ..set })
}

/// Brings the files of a data set into `dir`, checked; files that are there and right are kept. An
/// embedded data set and a folder need nothing.
/// `progress` is told what happens and stops the work by answering `false`.
///
/// # Errors
/// [`Error::Unknown`] for the name; [`Error::Fetch`] when no source works; [`Error::Write`] when
/// the files cannot be written; [`Error::Interrupted`] when `progress` said so. Whatever happens,
/// no half-written data file is left: only a `.part` file from which the next call goes on.
pub fn fetch(
    name: &str,
    dir: &Path,
    progress: &mut dyn FnMut(FetchEvent<'_>) -> bool,
) -> Result<()> {
    if is_yours(name) {
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
/// [`Error::Unknown`] for the name; [`Error::Format`] for a folder that is no folder of class folders;
/// [`Error::Read`]. A problem with a file is reported in its [`FileCheck`], not as an error.
pub fn check(name: &str, dir: &Path) -> Result<Vec<FileCheck>> {
    if let Some(arrays) = arrays_of(name) {
        return arrays.check();
    }
    if is_folder(name) {
        return folder::check(Path::new(name));
    }
    (dataset(name)?.check)(dir)
}

/// Whether every file of a data set is there with the right size: a quick look, while [`check`]
/// reads the files.
///
/// # Errors
/// [`Error::Unknown`] for the name.
pub fn is_here(name: &str, dir: &Path) -> Result<bool> {
    Ok(is_yours(name) || (dataset(name)?.is_here)(dir))
}
