//! Folders with class folders, written by the tests: complete and broken.

use std::{fs, path::Path};

use image::{Rgb, RgbImage};
use nf_gpu::{
    data::{self, FolderSet, Split},
    error::Error,
};

use super::{nf_gpu, text};

/// Columns in red, rows in green, `mark` in blue.
pub(super) fn picture(height: u32, width: u32, mark: u8) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, mark]))
}

pub(super) fn save(path: &Path, image: &RgbImage) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.save(path).unwrap();
}

/// Three classes with 4 + 3 images in every format, whose names sort in another order than they
/// were made.
pub(super) fn made() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, height, width, mark| {
        save(&dir.path().join("set").join(name), &picture(height, width, mark));
    };
    put("train/dog/b.png", 40, 50, 30);
    put("train/cat/a.ppm", 32, 32, 10);
    put("train/emu/more/c.PNG", 33, 100, 40);
    put("test/cat/0.png", 32, 32, 50);
    put("test/emu/0.png", 20, 20, 70);
    // What `picture` draws, 48x48 with mark 20 and 60x40 with mark 60, as Pillow saves it.
    let (cat, dog) = (include_bytes!("cat.jpeg"), include_bytes!("dog.jpg"));
    for (name, content) in [
        ("train/readme.txt", &b"x"[..]),
        ("train/cat/list.CSV", b"y"),
        ("test/.x", b""),
        ("train/cat/z.jpeg", cat),
        ("test/dog/0.jpg", dog),
    ] {
        let path = dir.path().join("set").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

fn name(dir: &tempfile::TempDir) -> String {
    dir.path().join("set").to_str().unwrap().into()
}

pub(super) fn open(
    dir: &tempfile::TempDir,
    split: Split,
    side: u32,
) -> Result<data::ImageSet, Error> {
    data::open_sized(&name(dir), Path::new("none"), split, side)
}

#[test]
fn class_folders_become_classes_and_images_are_resized() {
    let dir = made();
    assert!(data::is_folder(&name(&dir)) && !data::is_folder("cifar10"));
    for side in [32, 224] {
        let set = open(&dir, Split::Train, side).unwrap();
        assert_eq!(
            (set.name.as_str(), set.split, set.height, set.width),
            ("set", Split::Train, side, side)
        );
        assert_eq!(set.class_names, ["cat", "dog", "emu"]);
        assert_eq!((&set.labels[..], set.classes), (&[0, 0, 1, 2][..], 3));
        let plane = (side * side) as usize;
        for (i, (height, width, mark)) in
            [(32, 32, 10), (48, 48, 20), (40, 50, 30), (33, 100, 40)].into_iter().enumerate()
        {
            let image = set.image(i);
            // JPEG is lossy, more so in colour.
            let (even, far) = if i == 1 { (30, 30) } else { (0, 4) };
            assert!(
                image[2 * plane..].iter().all(|&v| i32::abs_diff(v.into(), mark) <= even),
                "{i}"
            );
            // Columns and rows keep their places.
            let corner = image[plane - 1];
            assert!(i32::abs_diff(corner.into(), width - 1) <= far, "{i}: {corner}");
            let corner = image[2 * plane - 1];
            assert!(i32::abs_diff(corner.into(), height - 1) <= far, "{i}: {corner}");
        }
    }
    // Without a resize, byte for byte.
    let set = open(&dir, Split::Train, 32).unwrap();
    assert!((0..1024).all(|p| set.image(0)[p] == (p % 32) as u8));
    assert_eq!(data::open(&name(&dir), Path::new(""), Split::Train).unwrap(), set);
    fs::rename(dir.path().join("set/test"), dir.path().join("set/val")).unwrap();
    let set = open(&dir, Split::Test, 32).unwrap();
    assert_eq!((&set.labels[..], set.image(0)[2048]), (&[0, 1, 2][..], 50));
}

#[test]
fn what_is_wrong_with_a_folder_is_named() {
    type Break = fn(&Path);
    let cases: [(Split, Break, &str, &str); 10] = [
        (
            Split::Train,
            |p| fs::rename(p.join("train"), p.join("t")).unwrap(),
            "set",
            "no folder train",
        ),
        (
            Split::Test,
            |p| fs::remove_dir_all(p.join("test")).unwrap(),
            "set",
            "no folder test or val",
        ),
        (
            Split::Train,
            |p| fs::remove_file(p.join("train/dog/b.png")).unwrap(),
            "set/train/dog",
            "holds no image",
        ),
        (
            Split::Train,
            |p| fs::remove_dir_all(p.join("test/emu")).unwrap(),
            "set/train/emu",
            "there is no class emu in",
        ),
        (
            Split::Train,
            |p| fs::create_dir(p.join("test/ant")).unwrap(),
            "set/test/ant",
            "there is no class ant in",
        ),
        (
            Split::Train,
            |p| fs::write(p.join("train/cat/x.pdf"), "").unwrap(),
            "set/train/cat/x.pdf",
            "not an image, in a class folder",
        ),
        (
            Split::Train,
            |p| fs::write(p.join("train/x.png"), "").unwrap(),
            "set/train/x.png",
            "a file among the class folders",
        ),
        (
            Split::Train,
            |p| fs::write(p.join("train/cat/z.jpeg"), "no picture").unwrap(),
            "set/train/cat/z.jpeg",
            "not a readable image",
        ),
        (
            Split::Train,
            |p| cut(&p.join("train/cat/z.jpeg")),
            "set/train/cat/z.jpeg",
            "not a readable image: the JPEG ends too early",
        ),
        (
            Split::Test,
            |p| cut(&p.join("test/emu/0.png")),
            "set/test/emu/0.png",
            "not a readable image",
        ),
    ];
    for (split, broken, file, says) in cases {
        let dir = made();
        open(&dir, split, 32).unwrap();
        broken(&dir.path().join("set"));
        let e = open(&dir, split, 32).unwrap_err();
        let said = e.to_string();
        let named = format!("{}: ", dir.path().join(file).display());
        assert!(said.starts_with(&named) && said.contains(says), "{said}");
        assert!(e.hint().is_some(), "{said}");
        let cache = dir.path().join("cache");
        let path = dir.path().join("set");
        let e = FolderSet::open(&path, split, 32, &cache, &mut |_| true).unwrap_err();
        assert!(e.to_string().starts_with(&named), "{e}");
        assert!(fs::read_dir(&cache).is_ok_and(|d| d.count() == 0) || !cache.exists());
    }
}

/// Keeps half of a file.
fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

#[test]
fn sides_and_names_that_do_not_fit_are_refused() {
    let dir = made();
    let e = open(&dir, Split::Train, 1025).unwrap_err();
    assert!(e.to_string().contains("1 to 1024 rows and columns, not 3x1025x1025"), "{e}");
    let many = data::open_sized(&name(&dir), Path::new(""), Split::Train, [4, 32, 32]);
    let e = many.unwrap_err();
    assert!(matches!(e, Error::Argument { .. }) && e.hint().unwrap().contains("data.npz"), "{e}");
    let sample = |side| data::open_sized("fashion-sample", Path::new(""), Split::Test, side);
    assert_eq!(sample(32).unwrap().len(), 1000);
    let e = sample(224).unwrap_err();
    assert_eq!(e.to_string(), "dataset: the images of fashion-sample are 32x32, not 224x224");
    let e = data::open("no/such/folder", Path::new(""), Split::Train).unwrap_err();
    assert!(e.to_string().contains("there is no folder no/such/folder"), "{e}");
    assert_eq!(e.exit_code(), 2);
}

/// A network of one channel gets grey, of any size; crops for its training come from a cache in grey.
#[test]
fn images_are_grey_and_of_any_size_where_the_network_takes_such() {
    let dir = made();
    let path = dir.path().join("set");
    let open = |chw| data::open_sized(&name(&dir), Path::new(""), Split::Train, chw).unwrap();
    let (grey, colour) = (open([1, 30, 50]), open([3, 30, 50]));
    assert_eq!((grey.chw(), grey.len(), grey.pixels.len()), ([1, 30, 50], 4, 4 * 1500));
    for i in 0..4 {
        for (p, &v) in grey.image(i).iter().enumerate() {
            let [r, g, b] = [0, 1, 2].map(|c| f64::from(colour.image(i)[c * 1500 + p]));
            let luma = 0.299 * r + 0.587 * g + 0.114 * b;
            assert!((f64::from(v) - luma).abs() <= 1.5, "image {i}, pixel {p}: {v}, {luma}");
        }
    }
    let cache = dir.path().join("cache");
    for chw in [[1, 30, 50], [3, 30, 50]] {
        let set = FolderSet::open(&path, Split::Train, chw, &cache, &mut |_| true).unwrap();
        assert_eq!((set.chw(), set.whole().unwrap().pixels), (chw, open(chw).pixels));
        let mut out = vec![0; chw.iter().product::<u32>() as usize];
        set.crop_into(0, set.random_area(0, 5).unwrap(), &mut out).unwrap();
    }
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 2);
}

#[test]
fn a_preview_reads_no_more_than_it_shows() {
    let dir = made();
    fs::write(dir.path().join("set/train/cat/zz.png"), "no picture").unwrap();
    let preview = |n| data::preview(&name(&dir), Path::new(""), Split::Train, 32, n);
    let (some, counts) = preview(2).unwrap();
    assert_eq!((&some.labels[..], &counts[..]), (&[0, 0, 1, 2][..], &[3, 1, 1][..]));
    assert!(preview(3).is_err());
    let (names, counts) = data::contents(&name(&dir), Path::new(""), Split::Train).unwrap();
    assert_eq!((names.len(), &counts[..]), (3, &[3, 1, 1][..]));
}

#[test]
fn the_command_line_takes_folders() {
    let dir = made();
    let (folder, out) = (name(&dir), dir.path().join("sheet.png"));
    let ran = nf_gpu(&["data", "check", &folder]);
    assert_eq!((ran.status.code(), text(&ran.stderr)), (Some(0), ""));
    let line = format!("{:<14}{:>8}{:>8}\n", "cat", 2, 1);
    assert!(text(&ran.stdout).contains(&line), "{}", text(&ran.stdout));
    let ran = nf_gpu(&["data", "fetch", &folder]);
    assert!(text(&ran.stdout).contains("is a folder of yours"), "{}", text(&ran.stdout));

    for side in ["32", "224"] {
        let out = out.to_str().unwrap();
        let ran = nf_gpu(&["data", "show", &folder, "--side", side, "--json", "--out", out]);
        let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(json["class_counts"], serde_json::json!([2, 1, 1]));
        let sheet = image::open(out).unwrap();
        let cell = if side == "32" { 68 } else { 132 };
        assert_eq!((sheet.width(), sheet.height()), (174 + 12 * cell, 3 * cell + 4));
    }

    // An error about a folder comes with a hint what to do.
    fs::rename(dir.path().join("set/train/emu/more/c.PNG"), dir.path().join("c.PNG")).unwrap();
    let ran = nf_gpu(&["data", "check", &folder]);
    assert!(text(&ran.stderr).contains("hint: put images ("), "{}", text(&ran.stderr));
    fs::rename(dir.path().join("c.PNG"), dir.path().join("set/train/emu/more/c.PNG")).unwrap();

    cut(&dir.path().join("set/train/emu/more/c.PNG"));
    cut(&dir.path().join("set/test/dog/0.jpg"));
    let ran = nf_gpu(&["data", "check", &folder]);
    assert_eq!(ran.status.code(), Some(1));
    for bad in
        ["train/emu/more/c.PNG: not a readable image", "test/dog/0.jpg: not a readable image"]
    {
        assert!(text(&ran.stdout).contains(bad), "{}", text(&ran.stdout));
    }
    assert!(text(&ran.stdout).contains("1 of 4 images cannot be read"));
    assert!(text(&ran.stderr).contains("hint: get 2 listed images again"), "{}", text(&ran.stderr));
}
