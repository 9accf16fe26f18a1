//! `fashion-sample`: 2,000 + 1,000 images of Fashion-MNIST, embedded in the program.

use std::path::Path;

use flate2::read::GzDecoder;

use super::{
    checksum::{FileCheck, FileState, Sum, md5},
    data_files::DataFiles,
    dataset::{Dataset, DatasetInfo},
    idx,
    image_set::{ImageSet, Split},
    mnist::{self, FASHION_INFO},
};
use crate::error::Result;

pub(super) static SAMPLE: Dataset = Dataset {
    info: INFO,
    shapes: mnist::SHAPES,
    files: DataFiles { folder: "", list: &[] },
    others: &[],
    sources: Vec::new,
    open: |_, split, chw| open(split, chw),
    check: |_| Ok(check()),
    is_here: |_| true,
};

pub(super) const INFO: DatasetInfo = DatasetInfo {
    name: "fashion-sample",
    title: "part of Fashion-MNIST, grey 28x28 zero-padded to 32x32 (embedded)",
    train_images: 2_000,
    test_images: 1_000,
    height: 32,
    width: 32,
    classes: 10,
    class_names: FASHION_INFO.class_names,
    licence: FASHION_INFO.licence,
    source: FASHION_INFO.source,
    bytes: 1_304_777,
    embedded: true,
    mirrors: true,
    scales: false,
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
fn open(split: Split, chw: [u32; 3]) -> Result<ImageSet> {
    let [images, labels] = match split {
        Split::Train => &TRAIN,
        Split::Test => &TEST,
    };
    let read = |file: &'static Embedded, dims| {
        let path = Path::new(file.path);
        Ok((path, idx::read(path, GzDecoder::new(file.bytes), dims)?))
    };
    mnist::from_idx(&INFO, split, chw, read(images, 3)?, read(labels, 1)?)
}

fn check() -> Vec<FileCheck> {
    let file = |f: &Embedded| {
        let found = md5(f.bytes);
        let state = if found == f.md5 { FileState::Right } else { FileState::WrongSum { found } };
        FileCheck {
            path: f.path.into(),
            bytes: f.bytes.len() as u64,
            sum: Some(Sum::Md5(f.md5)),
            state,
            hint: None,
        }
    };
    TRAIN.iter().chain(&TEST).map(file).collect()
}
