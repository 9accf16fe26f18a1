//! Folders of class folders that the tests write: whole, broken, changed; their crops.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use image::{Rgb, RgbImage};
use nf_gpu::{
    data::{self, CacheEvent, CropArea, FolderSet, Prefetcher, Split},
    error::Error,
};

use super::{nf_gpu, text};

/// Columns in red, rows in green, `mark` in blue.
fn picture(height: u32, width: u32, mark: u8) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, mark]))
}

fn save(path: &Path, image: &RgbImage) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.save(path).unwrap();
}

/// Three classes, 4 + 3 images of every format, names that sort otherwise than they were made.
fn made() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, height, width, mark| {
        save(&dir.path().join("set").join(name), &picture(height, width, mark));
    };
    put("train/dog/b.png", 40, 50, 30);
    put("train/cat/z.jpeg", 48, 48, 20);
    put("train/cat/a.ppm", 32, 32, 10);
    put("train/emu/more/c.PNG", 33, 100, 40);
    put("test/dog/0.jpg", 60, 40, 60);
    put("test/cat/0.png", 32, 32, 50);
    put("test/emu/0.png", 20, 20, 70);
    for (name, content) in [("train/readme.txt", "x"), ("train/cat/list.CSV", "y"), ("test/.x", "")]
    {
        fs::write(dir.path().join("set").join(name), content).unwrap();
    }
    dir
}

fn name(dir: &tempfile::TempDir) -> String {
    dir.path().join("set").to_str().unwrap().into()
}

fn open(dir: &tempfile::TempDir, split: Split, side: u32) -> Result<data::ImageSet, Error> {
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
    let e = open(&dir, Split::Train, 64).unwrap_err();
    assert!(matches!(e, Error::Argument { .. }) && e.hint().unwrap().contains("32 or 224"), "{e}");
    let sample = |side| data::open_sized("fashion-sample", Path::new(""), Split::Test, side);
    assert_eq!(sample(32).unwrap().len(), 1000);
    let e = sample(224).unwrap_err();
    assert_eq!(e.to_string(), "dataset: the images of fashion-sample are 32x32, not 224x224");
    let e = data::open("no/such/folder", Path::new(""), Split::Train).unwrap_err();
    assert!(e.to_string().contains("there is no folder no/such/folder"), "{e}");
    assert_eq!(e.exit_code(), 2);
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

/// A set, and what `progress` was told: `kept`, or images and bytes planned and images decoded.
fn cached(dir: &tempfile::TempDir, side: u32) -> (FolderSet, String) {
    let (path, cache) = (dir.path().join("set"), dir.path().join("cache"));
    let mut told = String::new();
    let set = FolderSet::open(&path, Split::Train, side, &cache, &mut |event| {
        match event {
            CacheEvent::Kept { .. } => told += "kept",
            CacheEvent::Planned { path, images, bytes } => {
                assert!(path.starts_with(&cache));
                told += &format!("{images} images, {bytes} bytes");
            }
            CacheEvent::Decoded { done, total } => told += &format!(", {done} of {total}"),
            _ => {}
        }
        true
    });
    (set.unwrap(), told)
}

#[test]
fn the_cache_is_kept_while_the_images_are_the_same() {
    let dir = made();
    let bytes = 3 * (32 * 32 + 48 * 48 + 40 * 50 + 33 * 100);
    let (set, told) = cached(&dir, 32);
    assert_eq!(told, format!("4 images, {bytes} bytes, 4 of 4"));
    assert_eq!((set.len(), set.classes(), set.labels()), (4, 3, &[0, 0, 1, 2][..]));
    assert_eq!((set.size(3).unwrap(), set.class_names()[2].as_str()), ((33, 100), "emu"));
    assert!(set.cache_path().metadata().unwrap().len() > bytes);
    // Nothing was shrunk: the images are those of the files.
    assert_eq!(set.whole().unwrap(), open(&dir, Split::Train, 32).unwrap());
    assert_eq!(cached(&dir, 32).1, "kept");
    assert_ne!(cached(&dir, 224).1, "kept", "another side is another cache");
    assert_eq!(cached(&dir, 32).1, "kept");

    let changes: [fn(&Path); 4] = [
        |p| save(&p.join("train/dog/b.png"), &picture(40, 50, 31)),
        |p| save(&p.join("train/dog/new.png"), &picture(9, 9, 99)),
        |p| fs::remove_file(p.join("train/dog/new.png")).unwrap(),
        |p| fs::rename(p.join("train/dog/b.png"), p.join("train/dog/B.png")).unwrap(),
    ];
    for change in changes {
        change(&dir.path().join("set"));
        assert_ne!(cached(&dir, 32).1, "kept");
        let (set, told) = cached(&dir, 32);
        assert_eq!(told, "kept");
        assert_eq!(set.whole().unwrap(), open(&dir, Split::Train, 32).unwrap());
    }
    assert_eq!(fs::read_dir(dir.path().join("cache")).unwrap().count(), 2);
}

#[test]
fn stopping_leaves_no_half_cache_and_damage_is_told_by_image() {
    let dir = made();
    let (path, cache) = (dir.path().join("set"), dir.path().join("cache"));
    for stop in [0, 1] {
        let mut told = 0;
        let stopped = FolderSet::open(&path, Split::Train, 32, &cache, &mut |_| {
            told += 1;
            told <= stop
        });
        assert!(matches!(stopped, Err(Error::Interrupted)));
        assert!(fs::read_dir(&cache).map_or(0, Iterator::count) == 0);
    }
    let (set, _) = cached(&dir, 32);
    let mut bytes = fs::read(set.cache_path()).unwrap();
    bytes[16 + 3 * 32 * 32 + 5] ^= 1;
    fs::write(set.cache_path(), bytes).unwrap();
    let (set, told) = cached(&dir, 32);
    assert_eq!(told, "kept");
    let crop = |i| set.crop_into(i, set.whole_area(i).unwrap(), &mut [0; 3072]);
    crop(0).unwrap();
    let e = crop(1).unwrap_err();
    assert!(e.to_string().contains("is damaged") && e.to_string().contains("z.jpeg"), "{e}");
    assert!(e.hint().unwrap().contains("delete this file"));
    assert!(set.whole().is_err());
}

#[test]
fn large_images_are_shrunk_once_and_crops_come_from_there() {
    let dir = made();
    let large = RgbImage::from_fn(300, 200, |x, y| Rgb([(x / 2) as u8, y as u8, 7]));
    save(&dir.path().join("set/train/cat/0.png"), &large);
    let (set, _) = cached(&dir, 32);
    assert_eq!(set.size(0).unwrap(), (64, 96));
    let direct = open(&dir, Split::Train, 32).unwrap();
    let whole = set.whole().unwrap();
    for (a, b) in direct.image(0).iter().zip(whole.image(0)) {
        assert!(a.abs_diff(*b) <= 3, "{a} once, {b} twice resized");
    }
    // The right lower quarter, pixel for pixel of the cache.
    let area = CropArea { top: 32, left: 64, height: 32, width: 32 };
    let mut out = [0; 3072];
    set.crop_into(0, area, &mut out).unwrap();
    for (y, x) in [(0, 0), (31, 31), (10, 20)] {
        let want = [(64 + x) * 300 / 96 / 2, (32 + y) * 200 / 64, 7];
        for (c, want) in want.into_iter().enumerate() {
            let got = out[c * 1024 + y * 32 + x];
            assert!(got.abs_diff(want as u8) <= 2, "{y} {x} {c}: {got}, not {want}");
        }
    }
    for seed in 0..200 {
        let area = set.random_area(0, seed).unwrap();
        set.crop_into(0, area, &mut out).unwrap();
        assert_eq!(area, set.random_area(0, seed).unwrap());
    }
    let outside = CropArea { top: 33, ..area };
    assert!(matches!(set.crop_into(0, outside, &mut out), Err(Error::Shape(_))));
    assert!(set.crop_into(9, area, &mut out).is_err() && set.random_area(9, 1).is_err());
    assert!(set.crop_into(0, area, &mut out[1..]).is_err());
}

#[test]
fn batches_come_in_order_and_no_further_ahead_than_asked() {
    let dir = made();
    let set = Arc::new(cached(&dir, 32).0);
    let batch = |number: u64| -> data::Batch {
        (0..3 + number % 3)
            .map(|k| ((number + k) as u32 % 4, number * 100 + k))
            .map(|(i, seed)| (i, set.random_area(i, seed).unwrap()))
            .collect()
    };
    let batches: Vec<_> = (0..40).map(batch).collect();
    for (threads, depth) in [(1, 1), (3, 2), (2, 7), (0, 0)] {
        let taken = Arc::new(AtomicUsize::new(0));
        let count = taken.clone();
        let list = batches.clone().into_iter().inspect(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let mut prefetcher = Prefetcher::start(set.clone(), threads, depth, list);
        for (number, batch) in batches.iter().enumerate() {
            if number == 20 {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            let ahead = taken.load(Ordering::SeqCst);
            assert!(ahead <= number + depth.max(1), "{ahead} taken before batch {number} was");
            let made = prefetcher.next().unwrap().unwrap();
            assert_eq!(made.len(), batch.len() * 3072);
            for (&(i, area), made) in batch.iter().zip(made.chunks(3072)) {
                let mut want = [0; 3072];
                set.crop_into(i, area, &mut want).unwrap();
                assert!(want == made, "batch {number} of {threads} threads, image {i}");
            }
        }
        assert!(prefetcher.next().is_none() && prefetcher.next().is_none());
    }
}

#[test]
fn an_error_is_passed_on_and_dropping_stops_the_threads() {
    let dir = made();
    let set = Arc::new(cached(&dir, 32).0);
    let whole = set.whole_area(0).unwrap();
    let batches = [vec![(0, whole)], vec![(0, whole), (99, whole)], vec![(0, whole)]];
    let mut prefetcher = Prefetcher::start(set.clone(), 2, 3, batches.into_iter());
    assert!(prefetcher.next().unwrap().is_ok());
    assert!(prefetcher.next().unwrap().unwrap_err().to_string().contains("no image 99"));
    assert!(prefetcher.next().unwrap().is_ok() && prefetcher.next().is_none());
    drop(prefetcher);

    let endless = std::iter::repeat_with(move || vec![(0, whole); 4]);
    let mut prefetcher = Prefetcher::start(set.clone(), 3, 5, endless);
    assert!(prefetcher.next().unwrap().is_ok());
    drop(prefetcher);
    assert_eq!(Arc::strong_count(&set), 1, "a thread goes on");

    // A bug in the caller's iterator does not hang the one who waits.
    let bug =
        (0..3).map(move |i| if i == 2 { panic!("a test of panics") } else { vec![(0, whole)] });
    let mut prefetcher = Prefetcher::start(set, 1, 9, bug);
    assert!(prefetcher.next().unwrap().is_ok() && prefetcher.next().unwrap().is_ok());
    assert!(prefetcher.next().unwrap().is_err() && prefetcher.next().is_none());
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
