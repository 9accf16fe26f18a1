//! Data sets through the public interface and the command line.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod crops;
mod folder;
mod gtsrb;
mod pictures;
mod small;
mod strangers;
mod unlabelled;

use crate::extent::skipped;
use std::{
    fs,
    io::{Cursor, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use nf_gpu::{
    data::{self, Split, cifar10, contact_sheet, idx},
    error::{Error, report},
};

/// Folder of the genuine files of CIFAR-10, if someone has fetched them.
fn fetched() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(data::DEFAULT_DIR);
    let here = data::is_here("cifar10", &dir).unwrap();
    if !here {
        skipped(&format!("no CIFAR-10 in {}; run `nf-gpu data fetch cifar10`", dir.display()));
    }
    here.then_some(dir)
}

/// A folder with a made-up `test_batch.bin`: image i has label i mod 10 and every pixel i mod 256.
fn made_up() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join(cifar10::FOLDER);
    fs::create_dir(&folder).unwrap();
    let path = folder.join("test_batch.bin");
    let mut bytes = Vec::new();
    for i in 0..cifar10::RECORDS {
        bytes.push((i % 10) as u8);
        bytes.resize(bytes.len() + cifar10::RECORD_BYTES - 1, (i % 256) as u8);
    }
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn nf_gpu(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nf-gpu")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_sample_is_fashion_mnist_padded_to_32() {
    let nowhere = Path::new("no/such/folder");
    for (split, n, first) in [(Split::Train, 2000, 9), (Split::Test, 1000, 9)] {
        let set = data::open("fashion-sample", nowhere, split).unwrap();
        assert_eq!((set.len(), set.height, set.width, set.classes), (n, 32, 32, 10));
        assert_eq!(set.pixels.len(), n * 3 * 32 * 32);
        assert_eq!(set.class_counts(), [n / 10; 10]);
        // The first training and the first test image of Fashion-MNIST are ankle boots.
        assert_eq!((set.labels[0], &set.class_names[9][..]), (first, "ankle boot"));
        for i in [0, n - 1] {
            let [red, green, blue] = [0, 1, 2].map(|c| &set.image(i)[c * 1024..(c + 1) * 1024]);
            assert!(red == green && green == blue);
            let border = |k: usize| [k / 32, k % 32].iter().any(|v| !(2..30).contains(v));
            assert!((0..1024).filter(|&k| border(k)).all(|k| red[k] == 0));
            assert!(red.iter().any(|&v| v > 100));
        }
    }
    assert!(data::check("fashion-sample", nowhere).unwrap().iter().all(data::FileCheck::is_right));
    // Sums of image 0 of both splits, byte for byte, which another program computed from the Debian
    // package.
    let sum = |split| -> u32 {
        let set = data::open("fashion-sample", nowhere, split).unwrap();
        set.image(0)[..1024].iter().map(|&v| u32::from(v)).sum()
    };
    assert_eq!((sum(Split::Train), sum(Split::Test)), (76_247, 33_456));
}

#[test]
fn records_are_read_in_order() {
    let (dir, _) = made_up();
    let set = data::open("cifar10", dir.path(), Split::Test).unwrap();
    assert_eq!((set.len(), set.pixels.len()), (10_000, 10_000 * 3072));
    assert_eq!(set.labels[123], 3);
    assert!(set.image(777).iter().all(|&v| v == (777 % 256) as u8));
    assert_eq!(set.take(25).class_counts(), [3, 3, 3, 3, 3, 2, 2, 2, 2, 2]);
}

#[test]
fn absent_files_say_how_to_get_them() {
    let dir = tempfile::tempdir().unwrap();
    let e = data::open("cifar10", dir.path(), Split::Train).unwrap_err();
    assert!(e.hint().unwrap().contains("`nf-gpu data fetch cifar10`"), "{e}");
    assert!(!data::is_here("cifar10", dir.path()).unwrap());
}

#[test]
fn a_truncated_file_is_refused() {
    let (dir, path) = made_up();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(30_000_000).unwrap();
    let e = data::open("cifar10", dir.path(), Split::Test).unwrap_err();
    assert!(e.to_string().ends_with("truncated: 30000000 bytes, not 30730000"), "{e}");
    assert!(e.hint().unwrap().contains("data fetch cifar10"));
}

#[test]
fn a_label_that_is_no_class_is_refused() {
    let (dir, path) = made_up();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(4 * cifar10::RECORD_BYTES as u64)).unwrap();
    file.write_all(&[10]).unwrap();
    let e = data::open("cifar10", dir.path(), Split::Test).unwrap_err();
    assert!(e.to_string().ends_with("record 4 has label 10; labels are 0 to 9"), "{e}");
}

#[test]
fn a_wrong_checksum_is_found() {
    let (dir, _) = made_up();
    let checks = data::check("cifar10", dir.path()).unwrap();
    assert_eq!(checks.len(), 6);
    assert_eq!(checks[0].state, data::FileState::Missing);
    assert!(matches!(checks[5].state, data::FileState::WrongSum { .. }));

    let out =
        nf_gpu(&["data", "check", "cifar10", "--json", "--data-dir", dir.path().to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("hint: run `nf-gpu data fetch cifar10`"));
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&json["ok"], &json["files"][0]["state"]), (&false.into(), &"missing".into()));
    assert!(json["files"][5]["state"].as_str().unwrap().contains("not 803d5f7f4d78"));
}

#[test]
fn an_unknown_name_comes_with_a_suggestion() {
    for action in ["fetch", "check"] {
        let out = nf_gpu(&["data", action, "cifar-10"]);
        assert_eq!((out.status.code(), text(&out.stdout)), (Some(2), ""));
        assert_eq!(
            text(&out.stderr),
            "error: unknown dataset \"cifar-10\"\n  hint: did you mean cifar10? known: cifar10, cifar100, gtsrb, \
             fashion-mnist, mnist, fashion-sample\n"
        );
    }
    assert!(matches!(data::info("imagenet"), Err(Error::Unknown { .. })));
}

/// An idx stream: magic, sizes, values.
fn idx_bytes(magic: u32, dims: &[u32], len: usize) -> Vec<u8> {
    let head = [magic].into_iter().chain(dims.iter().copied()).flat_map(u32::to_be_bytes);
    head.chain((0..len).map(|i| i as u8)).collect()
}

#[test]
fn idx_files_are_checked_before_they_are_believed() {
    let read = |bytes: &[u8], dims| idx::read(Path::new("x.idx"), Cursor::new(bytes), dims);
    let good = idx_bytes(0x803, &[2, 3, 2], 12);
    let idx = read(&good, 3).unwrap();
    assert_eq!((idx.dims, idx.data), (vec![2, 3, 2], (0..12).collect()));

    for (bytes, dims, says) in [
        (idx_bytes(0x801, &[2, 3, 2], 12), 3, "magic number 0x00000801, not 0x00000803"),
        (idx_bytes(0xd03, &[2, 3, 2], 12), 3, "magic number"),
        (good.clone(), 1, "magic number"),
        (good[..20].to_vec(), 3, "truncated: 4 of 12 values"),
        (good[..7].to_vec(), 3, "ends within its header"),
        ([&good[..], &[0]].concat(), 3, "bytes after the last"),
        (idx_bytes(0x803, &[u32::MAX; 3], 12), 3, "too many"),
        (idx_bytes(0x803, &[1 << 11, 1 << 11, 1 << 11], 12), 3, "too many"),
    ] {
        let e = read(&bytes, dims).unwrap_err();
        assert!(e.to_string().contains(says), "{e}");
    }
}

#[test]
fn the_contact_sheet_shows_classes_and_names() {
    let set = data::open("fashion-sample", Path::new(""), Split::Test).unwrap();
    let sheet = contact_sheet::draw(&set, 3).unwrap();
    assert_eq!(sheet.dimensions(), (170 + 3 * 68 + 4, 10 * 68 + 4));
    for class in 0..10 {
        let rows = class * 68 + 4..class * 68 + 68;
        let ink = rows.clone().flat_map(|y| (0..170).map(move |x| (x, y)));
        let dark = ink.filter(|&(x, y)| sheet.pixel(x, y).unwrap()[0] < 128).count();
        assert!(dark > 50, "class {class} has no name: {dark} dark pixels");
        // The second image of the class, pixel by pixel at twice its size.
        let i = (0..set.len()).filter(|&i| u32::from(set.labels[i]) == class).nth(1).unwrap();
        for (x, y) in [(0, 0), (13, 17), (31, 31)] {
            let want = set.image(i)[y * 32 + x];
            let (sx, sy) = (170 + 68 + 4 + 2 * x as u32 + 1, class * 68 + 4 + 2 * y as u32 + 1);
            assert_eq!(sheet.pixel(sx, sy), Some([want; 3]), "class {class} at {x},{y}");
        }
    }
    assert!(matches!(contact_sheet::draw(&set, 0), Err(Error::Argument { .. })));
}

#[test]
fn many_classes_stand_in_panels_of_the_same_height() {
    // One white image of each of 101 classes: three panels of 34, the last with one row less.
    let set = data::ImageSet {
        name: "many".into(),
        split: Split::Train,
        channels: 3,
        height: 224,
        width: 224,
        classes: 101,
        class_names: (0..101).map(|i| i.to_string()).collect(),
        pixels: vec![99; 101 * 3 * 224 * 224],
        labels: (0..101).collect(),
        subset: None,
        labels_from: data::LabelsFrom::DataSet,
    };
    let sheet = contact_sheet::draw(&set, 2).unwrap();
    let panel = 170 + 2 * 132 + 4;
    assert_eq!(sheet.dimensions(), (3 * panel, 34 * 132 + 4));
    for class in 0..102 {
        let (x, y) = (class / 34 * panel + 174 + 64, class % 34 * 132 + 4 + 64);
        let shown = if class < 101 { 99 } else { 255 };
        assert_eq!(sheet.pixel(x, y), Some([shown; 3]), "class {class}");
        assert_eq!(sheet.pixel(x + 132, y), Some([255; 3]), "a second image of {class}");
    }
}

#[test]
fn show_writes_a_png_and_prints_one_json_document() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sheet.png");
    let ran = nf_gpu(&["data", "show", "fashion-sample", "--json", "--out", out.to_str().unwrap()]);
    assert_eq!((ran.status.code(), text(&ran.stderr)), (Some(0), ""));
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(json["class_counts"], serde_json::json!(vec![200; 10]));
    let sheet = image::open(&out).unwrap();
    assert_eq!(sheet.width(), json["width"].as_u64().unwrap() as u32);
}

#[test]
fn list_and_check_need_no_network() {
    let ran = nf_gpu(&["data", "list", "--json", "--data-dir", "no/such/folder"]);
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(json["datasets"][0]["name"], "cifar10");
    assert_eq!(json["datasets"][0]["available"], false);
    let sample = &json["datasets"][5];
    assert_eq!((&sample["name"], &sample["available"]), (&"fashion-sample".into(), &true.into()));
    let sizes: u64 =
        data::check("fashion-sample", Path::new("")).unwrap().iter().map(|c| c.bytes).sum();
    assert_eq!(sample["bytes"], sizes);

    let ran = nf_gpu(&["data", "check", "fashion-sample"]);
    assert_eq!(ran.status.code(), Some(0));
    assert!(text(&ran.stdout).contains("ankle boot         200     100"), "{}", text(&ran.stdout));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_said_plainly() {
    let ran = nf_gpu(&["data", "show", "fashion-sample", "--out", "/dev/full"]);
    assert_eq!(ran.status.code(), Some(1));
    let says = text(&ran.stderr);
    assert!(says.starts_with("error: cannot write /dev/full: "), "{says}");
    assert!(says.contains("hint: the disk is full"), "{says}");
}

#[test]
fn cifar10_as_it_is() {
    let Some(dir) = fetched() else { return };
    for check in data::check("cifar10", &dir).unwrap() {
        assert!(check.is_right(), "{}: {}", check.path.display(), check.describe());
    }
    let train = data::open("cifar10", &dir, Split::Train).unwrap();
    assert_eq!((train.len(), train.class_counts()), (50_000, vec![5000; 10]));
    let test = data::open("cifar10", &dir, Split::Test).unwrap();
    assert_eq!(test.class_counts(), [1000; 10]);
    assert_eq!(&train.labels[..4], [6, 9, 9, 4]); // frog, truck, truck, deer
    assert_eq!(&test.labels[..4], [3, 8, 8, 0]); // cat, ship, ship, airplane
    // A correct folder is kept, and no source is contacted.
    let mut kept = 0;
    data::fetch("cifar10", &dir, &mut |event| {
        assert!(matches!(event, data::FetchEvent::Kept { .. }), "{event:?}");
        kept += 1;
        true
    })
    .map_err(|e| report(&e))
    .unwrap();
    assert_eq!(kept, 6);
}
