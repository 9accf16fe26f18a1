//! Folders of images without classes.

use std::{collections::BTreeSet, fs, path::Path};

use nf_gpu::data::{self, FolderSet, LabelsFrom, Split, WantedImages};

use super::{
    folder::{picture, save},
    nf_gpu, text,
};

/// Writes images with these numbers in their names and pixels.
fn images(folder: &Path, numbers: std::ops::Range<u8>) {
    for i in numbers {
        save(&folder.join(format!("{i:02}.png")), &picture(32, 32, 3 * i));
    }
}

fn marks(set: &data::ImageSet) -> Vec<u8> {
    (0..set.len()).map(|i| set.image(i)[2048] / 3).collect()
}

fn open(top: &Path, split: Split) -> Result<data::ImageSet, nf_gpu::error::Error> {
    let name = top.to_str().unwrap();
    data::open_some(name, Path::new("none"), split, 32, WantedImages::All)
}

#[test]
fn one_folder_is_for_both_splits_and_no_image_is_in_both() {
    // Images in the folder itself and below, and in a folder `train` without a folder for testing.
    for below in ["", "train/"] {
        let dir = tempfile::tempdir().unwrap();
        let deeper = if below.is_empty() { "2020/may/" } else { below };
        images(&dir.path().join(below), 0..15);
        images(&dir.path().join(deeper), 15..25);
        fs::write(dir.path().join(format!("{below}notes.txt")), "x").unwrap();
        assert!(data::is_unlabelled(dir.path().to_str().unwrap()), "{below}");
        let [train, test] = [Split::Train, Split::Test].map(|s| open(dir.path(), s).unwrap());
        assert_eq!((train.len(), test.len()), (23, 2), "{below}");
        for set in [&train, &test] {
            assert_eq!((set.classes, set.labels_from), (1, LabelsFrom::Nobody));
            assert_eq!(set.class_counts(), [set.len()]);
        }
        let all: BTreeSet<u8> = [&train, &test].into_iter().flat_map(marks).collect();
        assert_eq!(all, (0..25).collect(), "{below}");
        assert_eq!(open(dir.path(), Split::Test).unwrap(), test);
        let cache = dir.path().join(".cache");
        let crops = FolderSet::open(dir.path(), Split::Train, 32, &cache, &mut |_| true).unwrap();
        assert_eq!(marks(&crops.whole().unwrap()), marks(&train), "{below}");
        let said =
            data::remarks(dir.path().to_str().unwrap(), Split::Train, 32).unwrap().join("\n");
        assert!(said.contains("2 of the 25 images") && said.contains("notes.txt"), "{said}");
    }
}

#[test]
fn folders_train_and_test_hold_their_own_images() {
    let dir = tempfile::tempdir().unwrap();
    images(&dir.path().join("val"), 0..3);
    // Without training images, some images are still there for evaluation.
    assert_eq!(open(dir.path(), Split::Test).unwrap().len(), 3);
    let e = open(dir.path(), Split::Train).unwrap_err().to_string();
    assert!(e.contains("there is no folder train"), "{e}");
    images(&dir.path().join("train"), 0..5);
    assert_eq!(open(dir.path(), Split::Train).unwrap().len(), 5);
    assert_eq!(open(dir.path(), Split::Test).unwrap().len(), 3);
    let remarks = |s| data::remarks(dir.path().to_str().unwrap(), s, 32).unwrap();
    assert!(remarks(Split::Train).is_empty() && remarks(Split::Test).is_empty());
}

#[test]
fn what_needs_labels_says_so_and_class_folders_are_none_of_it() {
    let dir = tempfile::tempdir().unwrap();
    images(dir.path(), 0..4);
    let name = dir.path().to_str().unwrap().to_owned();
    for error in [data::need_labels(&name).unwrap_err(), data::class_names(&name).unwrap_err()] {
        assert!(error.to_string().contains("they have no labels"), "{error}");
        assert!(error.hint().unwrap().contains("train --loss distill"), "{error}");
    }
    let ran = nf_gpu(&["data", "check", &name]);
    let out = text(&ran.stdout);
    assert!(ran.status.success() && out.contains("(no label)"), "{out}{}", text(&ran.stderr));
    // All images in the folder are read, whatever their names are.
    assert_eq!(data::places(&name, Path::new("")), [dir.path()]);
    // One image is too few.
    let one = tempfile::tempdir().unwrap();
    images(one.path(), 0..1);
    let e = open(one.path(), Split::Test).unwrap_err().to_string();
    assert!(e.contains("it holds 1 image"), "{e}");
    // A cover picture beside class folders does not make a labelled set an unlabelled one.
    let sorted = super::folder::made();
    let set = sorted.path().join("set");
    for split in ["train", "test"] {
        save(&set.join(split).join("cover.png"), &picture(32, 32, 1));
    }
    assert!(!data::is_unlabelled(set.to_str().unwrap()));
    let e = open(&set, Split::Train).unwrap_err().to_string();
    assert!(e.contains("a file among the class folders"), "{e}");
    // A cover picture beside the folder of the set does not either.
    save(&sorted.path().join("cover.png"), &picture(32, 32, 1));
    let e = open(sorted.path(), Split::Train).unwrap_err();
    assert!(e.hint().unwrap().contains("it is one folder deeper"), "{e}");
    fs::write(dir.path().join("x.pdf"), "").unwrap();
    let e = open(dir.path(), Split::Train).unwrap_err().to_string();
    assert!(e.contains("x.pdf: not an image, among the images"), "{e}");
}
