//! Folders as users have them: with files of operating systems, other files, other names, other sizes.

use std::{fs, path::Path};

use nf_gpu::data::{self, Preprocess, PreprocessArgs, Split};

use super::{
    folder::{made, open, picture, save},
    nf_gpu, text,
};

/// Writes a file and the folders that lead to it.
fn put(set: &Path, name: &str, content: &[u8]) {
    let path = set.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A small picture as a file.
fn ppm(mark: u8) -> Vec<u8> {
    [&b"P6 2 2 255\n"[..], &[mark; 12]].concat()
}

#[test]
fn litter_is_passed_over_and_counted() {
    let dir = made();
    let set = dir.path().join("set");
    let clean = [Split::Train, Split::Test].map(|split| open(&dir, split, 32).unwrap());
    let thumbnail = ppm(255);
    for name in [
        "__MACOSX/train/cat/._a.ppm",
        "train/__MACOSX/cat/._a.ppm",
        "train/@eaDir/x.ppm",
        "train/cat/@eaDir/a.ppm/SYNOPHOTO_THUMB_XL.ppm",
        "train/cat/._a.ppm",
        "train/cat/a.ppm.Zone.Identifier",
        "train/cat/Thumbs.db",
        "train/dog/desktop.ini",
        "train/dog/.DS_Store",
        "train/dog/b.png~",
        "train/emu/more/.ipynb_checkpoints/c.PNG",
        "test/$RECYCLE.BIN/$I1.png",
        "test/lost+found/1.png",
        "test/System Volume Information/x.jpg",
        "test/dog/0.jpg.crdownload",
    ] {
        put(&set, name, &thumbnail);
    }
    for (split, clean) in [Split::Train, Split::Test].into_iter().zip(clean) {
        assert!(open(&dir, split, 32).unwrap() == clean, "{split}");
    }
    let ran = nf_gpu(&["data", "check", set.to_str().unwrap()]);
    assert_eq!((ran.status.code(), text(&ran.stderr)), (Some(0), ""), "{}", text(&ran.stdout));
    let line = "set, train: passed over 10 files and folders that systems leave behind: .* (2), ._* (1), \
                .zone.identifier (1), @eaDir (2), Thumbs.db (1), __MACOSX (1), desktop.ini (1), ~ (1)\n";
    assert!(text(&ran.stdout).contains(line), "{}", text(&ran.stdout));
    let line = "set, train: passed over, no images: readme.txt, cat/list.CSV\n";
    assert!(text(&ran.stdout).contains(line), "{}", text(&ran.stdout));
}

#[test]
fn classes_may_be_called_like_what_is_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    let names = ["a", "cats~", "engine.part", "now.tmp", "press.download"];
    for (i, name) in (0..).zip(names) {
        for split in ["train", "test"] {
            put(&set, &format!("{split}/{name}/x.ppm"), &ppm(i));
            put(&set, &format!("{split}/{name}/y.ppm.part"), &ppm(i));
        }
    }
    let set = open(&dir, Split::Test, 32).unwrap();
    assert_eq!(
        (&set.class_names[..], &set.labels[..]),
        (&names.map(String::from)[..], &[0, 1, 2, 3, 4][..])
    );
    assert!((0..5).all(|i| set.image(i)[0] == i as u8));
}

#[test]
fn files_that_are_no_images_are_all_named_at_once() {
    let dir = made();
    let set = dir.path().join("set");
    let others = ["cat/x.bmp", "cat/y.gif", "dog/z.webp", "emu/more/w.tiff"];
    for name in others {
        put(&set.join("train"), name, b"BM");
    }
    let ran = nf_gpu(&["data", "check", set.to_str().unwrap()]);
    assert_eq!(ran.status.code(), Some(1));
    let e = open(&dir, Split::Train, 32).unwrap_err().to_string();
    for name in others {
        let line = format!(
            "{}: not an image, in a class folder\n",
            set.join("train").join(name).display()
        );
        assert!(text(&ran.stdout).contains(&line), "{}", text(&ran.stdout));
        assert!(e.contains(&format!("train/{name}")), "{e}");
    }
    // Thousands of bad files do not lead to thousands of lines.
    for i in 0..30 {
        put(&set.join("train"), &format!("cat/{i}.bmp"), b"BM");
    }
    let e = open(&dir, Split::Train, 32).unwrap_err().to_string();
    assert!(e.contains("and 23 more") && e.len() < 1000, "{e}");
}

#[test]
fn splits_are_found_by_their_usual_names() {
    for (train, test) in
        [("Train", "Test"), ("training", "testing"), ("TRAIN", "validation"), ("train", "valid")]
    {
        let dir = made();
        let set = dir.path().join("set");
        let right = [Split::Train, Split::Test].map(|split| open(&dir, split, 32).unwrap());
        // Renamed through another name, for file systems that do not distinguish Train from train.
        fs::rename(set.join("train"), set.join("a")).unwrap();
        fs::rename(set.join("test"), set.join("b")).unwrap();
        let e = open(&dir, Split::Train, 32).unwrap_err();
        assert!(e.to_string().ends_with("there is no folder train in it; there is a, b"), "{e}");
        fs::rename(set.join("a"), set.join(train)).unwrap();
        fs::rename(set.join("b"), set.join(test)).unwrap();
        for (split, right) in [Split::Train, Split::Test].into_iter().zip(right) {
            assert!(open(&dir, split, 32).unwrap() == right, "{train} {test} {split}");
        }
    }
    let dir = made();
    let set = dir.path().join("set");
    fs::create_dir(set.join("images")).unwrap();
    for split in ["train", "test"] {
        fs::rename(set.join(split), set.join("images").join(split)).unwrap();
    }
    let e = open(&dir, Split::Train, 32).unwrap_err();
    let deeper = format!("it is one folder deeper: give {}", set.join("images").display());
    assert_eq!(e.hint().unwrap(), deeper);
}

#[test]
fn much_resizing_is_said() {
    let dir = made();
    let set = dir.path().join("set");
    let remarks = |split, side| data::remarks(set.to_str().unwrap(), split, side).unwrap();
    let resized = |split, side| remarks(split, side).into_iter().find(|r| r.contains("resized"));
    for i in 0..9 {
        save(&set.join(format!("train/cat/large{i}.png")), &picture(96, 90, 1));
    }
    let line = "set, train: images are resized from about 96x90 to 32x32 (rows x columns)";
    assert_eq!(resized(Split::Train, 32).unwrap(), line);
    assert!(resized(Split::Train, 224).unwrap().contains("to 224x224"));
    for class in ["cat", "dog", "emu"] {
        for i in 0..5 {
            save(&set.join(format!("test/{class}/small{i}.png")), &picture(40, 36, 1));
        }
    }
    assert_eq!(resized(Split::Test, 32), None);
    assert_eq!(data::remarks("cifar10", Split::Train, 32).unwrap(), [""; 0]);
    let ran = nf_gpu(&["data", "check", set.to_str().unwrap()]);
    assert!(text(&ran.stdout).contains(line), "{}", text(&ran.stdout));
    let crop = PreprocessArgs { side: None, preprocess: Some(Preprocess::CenterCrop) };
    let form = crop.for_input([1, 24, 24]).unwrap();
    let remarks = data::remarks(set.to_str().unwrap(), Split::Train, form).unwrap();
    let line = "set, train: images are resized from about 96x90 to 25x24, and their centre 24x24 is taken (rows x \
                columns)";
    assert!(remarks.iter().any(|remark| remark == line), "{remarks:?}");
}
