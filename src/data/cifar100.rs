//! CIFAR-100 in its official binary files: records of a coarse label, a fine label and 3 x 32 x 32
//! pixels. The fine labels are the classes.

use std::path::Path;

use super::{
    cifar_python::PythonFiles,
    data_files::{DataFile, DataFiles},
    dataset::{COLOUR_32, Dataset, DatasetInfo},
    fetch::{FileSource, Remote, Way},
    image_set::{ImageSet, Split},
    records::{RecordLayout, Records},
};
use crate::error::Result;

const LAYOUT: RecordLayout = RecordLayout { labels: 2, class: 1 };
const TRAIN: usize = 50_000;
const TEST: usize = 10_000;

const FILES: DataFiles = DataFiles {
    folder: "cifar-100-binary",
    list: &[
        DataFile::md5("train.bin", LAYOUT.file(TRAIN), "6172c7755cfe09b2fe270c85cebc1b15"),
        DataFile::md5("test.bin", LAYOUT.file(TEST), "4499cfba6c016c1be1438163640a0898"),
    ],
};

const INFO: DatasetInfo = DatasetInfo {
    name: "cifar100",
    title: "CIFAR-100, 32x32 colour photographs, the 100 fine classes",
    train_images: TRAIN as u32,
    test_images: TEST as u32,
    height: 32,
    width: 32,
    classes: 100,
    class_names: &CLASSES,
    licence: "none stated; cite Krizhevsky 2009",
    source: "https://www.cs.toronto.edu/~kriz/cifar.html",
    bytes: LAYOUT.file(TRAIN + TEST),
    embedded: false,
    mirrors: true,
    scales: false,
};

/// The files for Python, in the same order.
const PYTHON: PythonFiles = PythonFiles {
    folder: "cifar-100-python",
    list: &[
        ("train", "16019d7e3df5f24257cddd939b257f8d"),
        ("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),
    ],
    labels: "fine_labels",
    classes: INFO.classes,
};

/// Whether the files for Python are read: they are there, and the binary ones are not.
fn python(dir: &Path) -> bool {
    !FILES.are_here(dir) && PYTHON.are_here(dir)
}

pub(super) static CIFAR100: Dataset = Dataset {
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
    vec![FileSource {
        words: "the official archive",
        way: Way::TarGz(Remote::new(
            "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            "03b5dce01913d631647c71ecec9e9cb8",
        )),
    }]
}

fn open(dir: &Path, split: Split, _: [u32; 3]) -> Result<ImageSet> {
    let (which, name, n) = match split {
        Split::Train => (0..1, "train.bin", TRAIN),
        Split::Test => (1..2, "test.bin", TEST),
    };
    let mut records = Records::default();
    if python(dir) {
        PYTHON.append(dir, which, n, &mut records)?;
        return Ok(INFO.image_set(split, records.pixels, records.labels));
    }
    records.append(&INFO, &FILES.path(dir, name), LAYOUT, n, &INFO.fetch_again())?;
    Ok(INFO.image_set(split, records.pixels, records.labels))
}

/// The fine labels, in the order of `fine_label_names.txt` of the archive.
#[rustfmt::skip] // five to a line, as the data set's home page groups them
const CLASSES: [&str; 100] = [
    "apple", "aquarium fish", "baby", "bear", "beaver",
    "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly",
    "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach",
    "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox",
    "girl", "hamster", "house", "kangaroo", "keyboard",
    "lamp", "lawn mower", "leopard", "lion", "lizard",
    "lobster", "man", "maple tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak tree", "orange", "orchid",
    "otter", "palm tree", "pear", "pickup truck", "pine tree",
    "plain", "plate", "poppy", "porcupine", "possum",
    "rabbit", "raccoon", "ray", "road", "rocket",
    "rose", "sea", "seal", "shark", "shrew",
    "skunk", "skyscraper", "snail", "snake", "spider",
    "squirrel", "streetcar", "sunflower", "sweet pepper", "table",
    "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe",
    "whale", "willow tree", "wolf", "woman", "worm",
];
