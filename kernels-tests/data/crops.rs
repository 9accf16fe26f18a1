//! Cached folders that change under the cache, crops from them, and batches prepared ahead.

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

use super::folder::{made, open, picture, save};

/// A set, and what `progress` received: `kept`, or images and bytes planned and images decoded.
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
    // The images are small enough that none was shrunk: they are those of the files.
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
    let batch = |number: u64| -> data::CropBatch {
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

    // A panic in the caller's iterator does not block the consumer.
    let bug =
        (0..3).map(move |i| if i == 2 { panic!("a test of panics") } else { vec![(0, whole)] });
    let mut prefetcher = Prefetcher::start(set, 1, 9, bug);
    assert!(prefetcher.next().unwrap().is_ok() && prefetcher.next().unwrap().is_ok());
    assert!(prefetcher.next().unwrap().is_err() && prefetcher.next().is_none());
}
