//! Caches that are whole, stale, damaged or half written.

use super::*;

fn image(n: u8, height: u32, width: u32) -> Vec<u8> {
    vec![n; (3 * height * width) as usize]
}

fn origin(dir: &Path) -> CacheOrigin {
    let stamp = |n: &str| Stamp::of(n.into(), &dir.join(n)).unwrap();
    CacheOrigin {
        recipe: "as they are 1".into(),
        stamps: vec![stamp("a"), stamp("b")],
        channels: 3,
    }
}

fn made() -> (tempfile::TempDir, PathBuf, CacheOrigin) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        fs::write(dir.path().join(name), name).unwrap();
    }
    let path = dir.path().join("new/x.cache");
    let origin = origin(dir.path());
    ImageCache::write(&path, &origin, |w| {
        w.add(7, (2, 3), &image(1, 2, 3))?;
        w.add(300, (5, 1), &image(2, 5, 1))
    })
    .unwrap();
    (dir, path, origin)
}

#[test]
fn images_come_back_with_sizes_and_labels() {
    let (_dir, path, origin) = made();
    let cache = ImageCache::open(&path, &origin).unwrap();
    let mut buffer = Vec::new();
    for (i, label, height, width) in [(1, 300, 5, 1), (0, 7, 2, 3)] {
        cache.read(i, &mut buffer).unwrap();
        assert_eq!(buffer, image(i as u8 + 1, height, width));
        let entry = cache.entries[i];
        assert_eq!((entry.label, entry.height, entry.width), (label, height, width));
    }
    assert!(matches!(cache.read(2, &mut buffer), Err(Error::Shape(_))));
}

#[test]
fn a_changed_source_or_recipe_makes_it_stale() {
    let (dir, path, right) = made();
    assert!(ImageCache::open(&path, &right).is_some());
    let other = CacheOrigin { recipe: "as they are 2".into(), ..right.clone() };
    assert!(ImageCache::open(&path, &other).is_none());
    let fewer = CacheOrigin { stamps: right.stamps[..1].to_vec(), ..right.clone() };
    assert!(ImageCache::open(&path, &fewer).is_none());
    fs::write(dir.path().join("b"), "longer").unwrap();
    assert!(ImageCache::open(&path, &origin(dir.path())).is_none());
    fs::write(dir.path().join("b"), "b").unwrap();
    // The same bytes at another time count as changed.
    let times = fs::FileTimes::new().set_modified(UNIX_EPOCH);
    File::options().write(true).open(dir.path().join("b")).unwrap().set_times(times).unwrap();
    assert!(ImageCache::open(&path, &origin(dir.path())).is_none());
}

#[test]
fn damage_is_found() {
    let (_dir, path, origin) = made();
    let whole = fs::read(&path).unwrap();
    for cut in [0, 10, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(ImageCache::open(&path, &origin).is_none(), "{cut} bytes did");
    }
    for i in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[i] ^= 4;
        fs::write(&path, bytes).unwrap();
        // The magic at the file's beginning is not checked: it is for people who look at the file.
        let Some(cache) = ImageCache::open(&path, &origin).filter(|_| i >= MAGIC.len()) else {
            continue;
        };
        let read = |n| cache.read(n, &mut Vec::new());
        let e = read(0).and_then(|()| read(1)).unwrap_err();
        assert!(e.to_string().contains("is damaged"), "byte {i}: {e}");
    }
}

#[test]
fn what_fails_leaves_the_old_file() {
    let (dir, path, right) = made();
    let other = CacheOrigin { recipe: "other".into(), ..right.clone() };
    let e = ImageCache::write(&path, &other, |w| {
        w.add(0, (1, 1), &image(9, 1, 1))?;
        Err(Error::Interrupted)
    });
    assert!(matches!(e, Err(Error::Interrupted)));
    assert!(ImageCache::open(&path, &right).is_some());
    assert_eq!(fs::read_dir(dir.path().join("new")).unwrap().count(), 1);
}
