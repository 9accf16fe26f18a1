//! GTSRB, the German Traffic Sign Recognition Benchmark: from ready 32x32 records, or from the
//! official archives as they are downloaded or unpacked, or from Kaggle's copy.

pub(super) mod annotations;
mod archives;
mod kaggle;
pub(super) mod tree;

pub(super) use kaggle::parts as kaggle_parts;

use std::path::{Path, PathBuf};

use super::{
    checksum::{FileCheck, FileState, Sum},
    data_files::{DataFile, DataFiles},
    dataset::{COLOUR_32, Dataset, DatasetInfo},
    decode,
    fetch::{EachFile, FileSource, Remote, Way},
    image_cache::{CacheOrigin, ImageCache},
    image_set::{ImageSet, Split},
    parallel,
    preprocess::Preprocessing,
    records::{RecordLayout, Records},
};
use crate::error::{Error, Result};
use archives::Signs;

const SIDE: u32 = 32;
const TRAIN: usize = 39_209;
const TEST: usize = 12_630;
/// What the cache of decoded images holds. The last number is raised when the code that makes it
/// changes.
const RECIPE: &str = "GTSRB, 32x32, bilinear with antialiasing, 1";

const INFO: DatasetInfo = DatasetInfo {
    name: "gtsrb",
    title: "German traffic signs, colour photographs resized to 32x32",
    train_images: TRAIN as u32,
    test_images: TEST as u32,
    height: SIDE,
    width: SIDE,
    classes: 43,
    class_names: &CLASSES,
    licence: "not known; cite Stallkamp et al. 2012",
    source: "https://benchmark.ini.rub.de/gtsrb_news.html",
    bytes: 276_294_756 + 88_978_620 + 99_620,
    embedded: false,
    mirrors: false,
    scales: true,
};

/// Ready records in CIFAR-10's layout, already resized. `fetch` does not bring them: users who have
/// them put them there.
const RECORDS: DataFiles = DataFiles {
    folder: "gtsrb32",
    list: &[
        DataFile {
            name: "train.bin",
            bytes: RecordLayout::ONE.file(TRAIN),
            sum: Sum::Sha256("da0445b13e37fd8380ca66207a54c068de1636da4a93bac7a965564c3844862b"),
        },
        DataFile {
            name: "test.bin",
            bytes: RecordLayout::ONE.file(TEST),
            sum: Sum::Sha256("28f211948e297cd179a399e84c9ef92801e74cdac22c24745e937b0e9d7f1bdb"),
        },
    ],
};

/// The official archives. (`GTSRB-Training_fixed.zip`, which torchvision takes, has 26,640 of the
/// training images.)
pub(super) const ARCHIVES: DataFiles = DataFiles {
    folder: "gtsrb",
    list: &[
        DataFile::md5(archives::TRAIN, 276_294_756, "f33fd80ac59bff73c82d25ab499e03a3"),
        DataFile::md5(archives::TEST, 88_978_620, "c7e4e6327067d32654124b0fe9e82185"),
        DataFile::md5(archives::CLASSES, 99_620, "fe31e9c9270bbcd7b84b7f21a9d9d9e5"),
    ],
};

pub(super) static GTSRB: Dataset = Dataset {
    info: INFO,
    shapes: &[COLOUR_32],
    files: ARCHIVES,
    others: &[RECORDS],
    sources,
    open,
    check,
    is_here,
};

fn sources() -> Vec<FileSource> {
    let base = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/";
    let each = |file: &DataFile| {
        let remote = Remote::new(format!("{base}{}", file.name), file.sum.digits());
        EachFile { name: file.name, remote, gzipped: false }
    };
    let way = Way::Each(ARCHIVES.list.iter().map(each).collect());
    vec![FileSource { words: "the official archives", way }]
}

/// The ready records of a split, when they are there.
fn records(dir: &Path, split: Split) -> Option<(PathBuf, usize)> {
    let (file, n) = match split {
        Split::Train => (&RECORDS.list[0], TRAIN),
        Split::Test => (&RECORDS.list[1], TEST),
    };
    let path = RECORDS.path(dir, file.name);
    path.is_file().then_some((path, n))
}

fn open(dir: &Path, split: Split, _: [u32; 3]) -> Result<ImageSet> {
    let Some((path, n)) = records(dir, split) else {
        return from_archives(&dir.join(ARCHIVES.folder), split);
    };
    let again = "get the file again, or take it away and run `nf-gpu data fetch gtsrb`";
    let mut records = Records::default();
    records.append(&INFO, &path, RecordLayout::ONE, n, again)?;
    Ok(INFO.image_set(split, records.pixels, records.labels))
}

/// Decodes and resizes the official images, or takes them from the cache that an earlier call made.
fn from_archives(folder: &Path, split: Split) -> Result<ImageSet> {
    let signs = Signs::find(folder, split)?;
    let origin = CacheOrigin { recipe: RECIPE.into(), stamps: signs.stamps()?, channels: 3 };
    let path = folder.join(format!("decoded-{split}-32.cache"));
    if let Some(set) = ImageCache::open(&path, &origin).and_then(|c| whole(&c, split).ok()) {
        return Ok(set);
    }
    let bytes = 3 * (SIDE * SIDE) as usize;
    let mut pixels = vec![0; signs.list.len() * bytes];
    parallel::fill(
        &mut pixels,
        bytes,
        || signs.tree.clone(),
        |tree, i, out| {
            let name = &signs.list[i].0;
            let image = decode::bytes(&tree.path(name), &tree.read(name)?)?;
            Preprocessing::from(SIDE).or_squash().fill(&image, out)
        },
    )?;
    // A cache that cannot be written only costs time at the next opening.
    let _ = ImageCache::write(&path, &origin, |cache| {
        let mut images = signs.list.iter().zip(pixels.chunks_exact(bytes));
        images.try_for_each(|((_, label), image)| cache.add(*label, (SIDE, SIDE), image))
    });
    let labels = signs.list.iter().map(|(_, label)| *label).collect();
    Ok(INFO.image_set(split, pixels, labels))
}

fn whole(cache: &ImageCache, split: Split) -> Result<ImageSet> {
    let mut pixels = Vec::new();
    let mut image = Vec::new();
    for i in 0..cache.entries.len() {
        cache.read(i, &mut image)?;
        pixels.extend_from_slice(&image);
    }
    let labels = cache.entries.iter().map(|e| e.label).collect();
    Ok(INFO.image_set(split, pixels, labels))
}

fn is_here(dir: &Path) -> bool {
    let folder = dir.join(ARCHIVES.folder);
    [Split::Train, Split::Test].into_iter().all(|split| {
        let size = |path: PathBuf| path.metadata().map_or(0, |m| m.len());
        let archived = || ours(split).iter().all(|f| size(folder.join(f.name)) == f.bytes);
        records(dir, split).is_some() || archives::is_unpacked(&folder, split) || archived()
    })
}

/// The archives of a split.
fn ours(split: Split) -> &'static [DataFile] {
    match split {
        Split::Train => &ARCHIVES.list[..1],
        Split::Test => &ARCHIVES.list[1..],
    }
}

fn check(dir: &Path) -> Result<Vec<FileCheck>> {
    let folder = dir.join(ARCHIVES.folder);
    let mut checks = Vec::new();
    for split in [Split::Train, Split::Test] {
        let of = |path: PathBuf, file: &DataFile| FileCheck::of(path, file.bytes, file.sum);
        if records(dir, split).is_some() {
            let file = &RECORDS.list[usize::from(split == Split::Test)];
            checks.push(of(dir.join(RECORDS.folder).join(file.name), file)?);
        } else if archives::is_unpacked(&folder, split) {
            checks.extend(check_images(&folder, split)?);
        } else {
            for file in ours(split) {
                checks.push(of(folder.join(file.name), file)?);
            }
        }
    }
    Ok(checks)
}

/// Checks unpacked images, which have no checksum: their number must be right, and each must be
/// readable.
fn check_images(folder: &Path, split: Split) -> Result<Vec<FileCheck>> {
    let signs = Signs::find(folder, split)?;
    let (found, right) = (signs.list.len(), INFO.images(split) as usize);
    let looked = parallel::map(
        found,
        || signs.tree.clone(),
        |tree, i| {
            let path = tree.path(&signs.list[i].0);
            let read = tree.read(&signs.list[i].0).and_then(|b| Ok((decode::bytes(&path, &b)?, b)));
            Ok(match read {
                Ok((_, bytes)) => (bytes.len() as u64, None),
                Err(Error::Format { what, .. }) => (0, Some((path, what))),
                Err(e) => (0, Some((path, e.to_string()))),
            })
        },
    )?;
    let bytes = looked.iter().map(|(bytes, _)| bytes).sum();
    let state = if found == right {
        FileState::Right
    } else {
        FileState::Unreadable { why: format!("{found} images, not {right}") }
    };
    let mut checks = vec![FileCheck::looked_at(signs.tree.path(""), bytes, state)];
    checks.extend(
        looked
            .into_iter()
            .filter_map(|(_, bad)| bad)
            .map(|(path, why)| FileCheck::looked_at(path, 0, FileState::Unreadable { why })),
    );
    Ok(checks)
}

/// The signs, in the order of the class numbers.
const CLASSES: [&str; 43] = [
    "speed limit 20",
    "speed limit 30",
    "speed limit 50",
    "speed limit 60",
    "speed limit 70",
    "speed limit 80",
    "end of speed limit 80",
    "speed limit 100",
    "speed limit 120",
    "no passing",
    "no passing for trucks",
    "right of way at crossing",
    "priority road",
    "yield",
    "stop",
    "no vehicles",
    "no trucks",
    "no entry",
    "danger",
    "bend to the left",
    "bend to the right",
    "double bend",
    "uneven road",
    "slippery road",
    "road narrows",
    "road works",
    "traffic lights",
    "pedestrians",
    "children",
    "bicycles",
    "ice and snow",
    "wild animals",
    "end of all limits",
    "turn right",
    "turn left",
    "straight ahead",
    "straight or right",
    "straight or left",
    "keep right",
    "keep left",
    "roundabout",
    "end of no passing",
    "end of no passing for trucks",
];
