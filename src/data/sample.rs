//! `fashion-sample`: 2,000 + 1,000 images of Fashion-MNIST, embedded in the program.

use std::path::Path;

use flate2::read::GzDecoder;

use super::{
    catalog::DatasetInfo,
    checksum::{FileCheck, FileState, md5},
    idx,
    image_set::{ImageSet, Split},
};
use crate::error::{Error, Result};

/// Side of the grey images in the files.
const GREY: usize = 28;
/// Side after zero padding: what the networks for 32x32 images take.
const SIDE: usize = 32;

pub(super) const INFO: DatasetInfo = DatasetInfo {
    name: "fashion-sample",
    title: "part of Fashion-MNIST, grey 28x28 zero-padded to 32x32 (embedded)",
    train_images: 2_000,
    test_images: 1_000,
    height: 32,
    width: 32,
    classes: 10,
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
    bytes: 1_304_777,
    embedded: true,
};

struct Embedded {
    path: &'static str,
    md5: &'static str,
    bytes: &'static [u8],
}

macro_rules! embedded {
    ($file:literal, $md5:literal) => {
        Embedded {
            path: concat!("datasets/sample/", $file),
            md5: $md5,
            bytes: include_bytes!(concat!("../../datasets/sample/", $file)),
        }
    };
}

static TRAIN: [Embedded; 2] = [
    embedded!("train-images-idx3-ubyte.gz", "92c7177d713a2f42b0fe56a326a8e9ff"),
    embedded!("train-labels-idx1-ubyte.gz", "f4129cec69ae98d1f67555260a1474a6"),
];
static TEST: [Embedded; 2] = [
    embedded!("t10k-images-idx3-ubyte.gz", "b2ab7aaadae1a58bdcedfba84aab8b18"),
    embedded!("t10k-labels-idx1-ubyte.gz", "05cbae676d53b2aedebc53a7a0016b7f"),
];

/// Unpacks a split: about 20 ms.
pub(super) fn open(split: Split) -> Result<ImageSet> {
    let [images, labels] = match split {
        Split::Train => &TRAIN,
        Split::Test => &TEST,
    };
    let path = Path::new(images.path);
    let grey = idx::read(path, GzDecoder::new(images.bytes), 3)?;
    let labels = idx::read(Path::new(labels.path), GzDecoder::new(labels.bytes), 1)?.data;
    let n = INFO.images(split);
    if grey.dims != [n, GREY as u32, GREY as u32] || labels.len() != n as usize {
        let what = format!("{:?} images and {} labels", grey.dims, labels.len());
        return Err(Error::format(path, what, "build again from a clean checkout"));
    }
    let pixels = grey.data.chunks_exact(GREY * GREY).flat_map(pad).collect();
    Ok(INFO.image_set(split, pixels, labels))
}

pub(super) fn check() -> Vec<FileCheck> {
    let file = |f: &Embedded| {
        let found = md5(f.bytes);
        let state = if found == f.md5 { FileState::Right } else { FileState::WrongSum { found } };
        FileCheck { path: f.path.into(), bytes: f.bytes.len() as u64, md5: f.md5, state }
    };
    TRAIN.iter().chain(&TEST).map(file).collect()
}

/// A grey image `[28][28]` as `[3][32][32]`: a border of zeros, the same in every channel.
fn pad(grey: &[u8]) -> Vec<u8> {
    const BORDER: usize = (SIDE - GREY) / 2;
    let mut plane = vec![0; SIDE * SIDE];
    for (y, row) in grey.chunks_exact(GREY).enumerate() {
        let start = (y + BORDER) * SIDE + BORDER;
        plane[start..start + GREY].copy_from_slice(row);
    }
    plane.repeat(3)
}
