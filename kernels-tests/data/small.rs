//! Data sets in files that the tests write: CIFAR-100 and MNIST; also the real ones where they are
//! present.

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use nf_gpu::data::{self, FileState, Preprocess, PreprocessArgs, Preprocessing, Split};

use super::idx_bytes;
use crate::extent::skipped;

/// The made-up test file of CIFAR-100: image i has coarse label i mod 20, fine label i mod 100 and
/// every pixel i mod 256.
fn cifar100(dir: &Path) -> std::path::PathBuf {
    let folder = dir.join("cifar-100-binary");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("test.bin");
    let mut bytes = Vec::new();
    for i in 0..10_000 {
        bytes.extend([(i % 20) as u8, (i % 100) as u8]);
        bytes.resize(bytes.len() + 3072, (i % 256) as u8);
    }
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn the_fine_labels_of_cifar100_are_the_classes() {
    let dir = tempfile::tempdir().unwrap();
    let path = cifar100(dir.path());
    let set = data::open("cifar100", dir.path(), Split::Test).unwrap();
    assert_eq!((set.len(), set.classes, set.class_names.len()), (10_000, 100, 100));
    assert_eq!((set.labels[1234], set.class_counts()), (34, vec![100; 100]));
    assert!(set.image(777).iter().all(|&v| v == (777 % 256) as u8));
    assert_eq!((&*set.class_names[0], &*set.class_names[99]), ("apple", "worm"));
    let mut sorted = set.class_names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted, set.class_names, "the official order is the alphabet's");
    let e = data::open("cifar100", dir.path(), Split::Train).unwrap_err();
    assert!(e.to_string().ends_with("train.bin: this file of cifar100 is not there"), "{e}");
    assert!(e.hint().unwrap().contains("`nf-gpu data fetch cifar100`"));

    let whole = fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    bytes[3 * 3074 + 1] = 100;
    fs::write(&path, bytes).unwrap();
    let e = data::open("cifar100", dir.path(), Split::Test).unwrap_err();
    assert!(e.to_string().ends_with("record 3 has label 100; labels are 0 to 99"), "{e}");
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let e = data::open("cifar100", dir.path(), Split::Test).unwrap_err();
    assert!(e.to_string().contains("truncated: 30739999 bytes, not 30740000"), "{e}");
}

/// Idx files of 60,000 + 10,000 images: pixel p of image i is i + p, its label i mod 10.
fn mnist(dir: &Path, name: &str, put: impl Fn(&Path, Vec<u8>)) {
    let folder = dir.join(name);
    fs::create_dir(&folder).unwrap();
    for (prefix, n) in [("train", 60_000u32), ("t10k", 10_000)] {
        let mut images = idx_bytes(0x803, &[n, 28, 28], 0);
        images.extend((0..n).flat_map(|i| (0..784).map(move |p| (i + p) as u8)));
        put(&folder.join(format!("{prefix}-images-idx3-ubyte")), images);
        let mut labels = idx_bytes(0x801, &[n], 0);
        labels.extend((0..n).map(|i| (i % 10) as u8));
        put(&folder.join(format!("{prefix}-labels-idx1-ubyte")), labels);
    }
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

#[test]
fn idx_data_sets_are_read_packed_or_not() {
    for (name, packed) in [("mnist", false), ("fashion-mnist", true)] {
        let dir = tempfile::tempdir().unwrap();
        mnist(dir.path(), name, |path, bytes| {
            if packed {
                fs::write(path.with_extension("gz"), gz(&bytes)).unwrap();
            } else {
                fs::write(path, bytes).unwrap();
            }
        });
        assert!(data::is_here(name, dir.path()).unwrap());
        let set = data::open(name, dir.path(), Split::Test).unwrap();
        assert_eq!((set.name.as_str(), set.len(), set.height, set.width), (name, 10_000, 32, 32));
        assert_eq!(set.class_counts(), [1000; 10]);
        let (image, at) = (set.image(4321), |c: usize, y: usize, x: usize| c * 1024 + y * 32 + x);
        for c in 0..3 {
            assert_eq!(image[at(c, 1, 16)] + image[at(c, 30, 16)] + image[at(c, 16, 1)], 0);
            assert_eq!(image[at(c, 5, 9)], ((4321 + 3 * 28 + 7) % 256) as u8);
        }
        // Files of the right sizes with wrong contents.
        let checks = data::check(name, dir.path()).unwrap();
        assert_eq!(checks.len(), 4);
        for check in checks {
            assert!(matches!(check.state, FileState::WrongSum { .. }), "{}", check.describe());
        }
    }
}

/// The shape of the network's input decides what is decoded of a grey set, and colour becomes grey.
#[test]
fn a_grey_set_is_read_as_the_network_takes_it() {
    let open = |form: Preprocessing| {
        data::open_sized("fashion-sample", Path::new(""), Split::Test, form).unwrap()
    };
    let [padded, small, grey, own] =
        [[3, 32, 32], [3, 28, 28], [1, 32, 32], [1, 28, 28]].map(|chw| open(chw.into()));
    assert_eq!((own.chw(), own.len(), own.pixels.len()), ([1, 28, 28], 1000, 784_000));
    assert_eq!(own.labels, padded.labels);
    for i in [0, 999] {
        assert_eq!(small.image(i), own.image(i).repeat(3));
        assert_eq!(padded.image(i), grey.image(i).repeat(3));
        let rows = grey.image(i).chunks(32).skip(2).take(28);
        assert_eq!(rows.flat_map(|row| &row[2..30]).copied().collect::<Vec<_>>(), own.image(i));
    }
    // Resized on request, from what the images are.
    let squash = PreprocessArgs { preprocess: Some(Preprocess::Squash), side: None };
    assert_eq!(open(squash.for_input([1, 28, 28]).unwrap()), own);
    let large = open(squash.for_input([3, 56, 56]).unwrap());
    assert_eq!((large.chw(), large.image_len()), ([3, 56, 56], 3 * 56 * 56));
    let e =
        data::open_sized("fashion-sample", Path::new(""), Split::Test, [1, 30, 30]).unwrap_err();
    assert!(e.to_string().contains("are 32x32, not 30x30"), "{e}");
    assert!(e.hint().unwrap().contains("--preprocess squash"), "{e:?}");
    let e =
        data::open_sized("fashion-sample", Path::new(""), Split::Test, [2, 28, 28]).unwrap_err();
    assert!(e.to_string().contains("have 1 or 3 channels; the network takes 2"), "{e}");
}

#[test]
fn damaged_idx_data_sets_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    mnist(dir.path(), "mnist", |path, bytes| fs::write(path, bytes).unwrap());
    let folder = dir.path().join("mnist");
    let (images, labels) =
        (folder.join("t10k-images-idx3-ubyte"), folder.join("t10k-labels-idx1-ubyte"));
    let (right_images, right_labels) = (fs::read(&images).unwrap(), fs::read(&labels).unwrap());
    let changed = |at: usize, to: u8| {
        let mut bytes = right_labels.clone();
        bytes[at] = to;
        bytes
    };
    let put = |images_now: &[u8], labels_now: &[u8]| {
        fs::write(&images, images_now).unwrap();
        fs::write(&labels, labels_now).unwrap();
        data::open("mnist", dir.path(), Split::Test).unwrap_err().to_string()
    };
    let all = &right_images[..];
    let long = gz(all);
    for (now, classes, says) in [
        (&all[..5000], &right_labels[..], "t10k-images-idx3-ubyte: the file is truncated"),
        (&right_labels, &right_labels, "t10k-images-idx3-ubyte: not an idx file"),
        (&idx_bytes(0x803, &[2, 28, 28], 2 * 784), &right_labels, "[2, 28, 28] grey images"),
        (all, &changed(8 + 5, 10), "t10k-labels-idx1-ubyte: image 5 has label 10; labels are 0"),
        (all, &idx_bytes(0x801, &[3], 3), "[3] labels, not [10000]"),
    ] {
        let said = put(now, classes);
        assert!(said.contains(says), "{said}");
    }
    fs::remove_file(&images).unwrap();
    fs::write(folder.join("t10k-images-idx3-ubyte.gz"), &long[..long.len() / 2]).unwrap();
    fs::write(&labels, &right_labels).unwrap();
    let e = data::open("mnist", dir.path(), Split::Test).unwrap_err();
    assert!(e.to_string().contains("t10k-images-idx3-ubyte.gz: damaged: "), "{e}");
    assert!(e.hint().is_some());
}

#[test]
fn mnist_and_fashion_as_they_are() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(data::DEFAULT_DIR);
    for (name, first, sums) in
        [("mnist", [5, 7], [27_525, 18_454]), ("fashion-mnist", [9, 9], [76_247, 33_456])]
    {
        if !data::is_here(name, &dir).unwrap() {
            skipped(&format!("no {name} in {}; run `nf-gpu data fetch {name}`", dir.display()));
            continue;
        }
        for ((split, n), (label, sum)) in [(Split::Train, 60_000), (Split::Test, 10_000)]
            .into_iter()
            .zip(first.into_iter().zip(sums))
        {
            let set = data::open(name, &dir, split).unwrap();
            assert_eq!((set.len(), set.labels[0]), (n, label));
            let found: u32 = set.image(0)[..1024].iter().map(|&v| u32::from(v)).sum();
            assert_eq!(found, sum, "{name} {split}");
        }
    }
}
