//! GTSRB: archives and folders that the tests write, complete and broken; the real files where they
//! are present.

mod kaggle;

use self::kaggle::kaggle;
use crate::extent::skipped;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::Path,
};

use nf_gpu::data::{self, FileState, ImageSet, Split};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Names in the official archives and what is in them.
type Files = BTreeMap<String, Vec<u8>>;

const TRAIN_ZIP: &str = "GTSRB_Final_Training_Images.zip";
const TEST_ZIP: &str = "GTSRB_Final_Test_Images.zip";
const CLASSES_ZIP: &str = "GTSRB_Final_Test_GT.zip";
const HEADER: &str = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\r\n";
const OF_CLASS_7: &str = "GTSRB/Final_Training/Images/00007/GT-00007.csv";

/// A PPM file of 40 + class columns and 30 rows: class in red, `mark` in green, the column in blue.
fn ppm(class: u8, mark: u8) -> Vec<u8> {
    let width = 40 + usize::from(class);
    let mut bytes = format!("P6\n{width} 30\n255\n").into_bytes();
    for _ in 0..30 {
        bytes.extend((0..width).flat_map(|x| [class, mark, x as u8]));
    }
    bytes
}

fn line(name: &str, class: u8) -> String {
    format!("{name};{};30;5;6;20;21;{class}\r\n", 40 + class)
}

/// Two training images of each class.
fn training() -> Files {
    let mut files = Files::from([("GTSRB/Readme-Images.txt".into(), b"read me".to_vec())]);
    for class in 0..43 {
        let folder = format!("GTSRB/Final_Training/Images/{class:05}");
        let mut csv = HEADER.to_owned();
        for (track, mark) in [(0, 10), (1, 20)] {
            let name = format!("{track:05}_00000.ppm");
            csv += &line(&name, class);
            files.insert(format!("{folder}/{name}"), ppm(class, mark));
        }
        files.insert(format!("{folder}/GT-{class:05}.csv"), csv.into_bytes());
    }
    files
}

/// One test image of each class in reverse order, and the file of the classes.
fn test() -> (Files, Files) {
    let folder = "GTSRB/Final_Test/Images";
    // This list has no classes, as in the official archive.
    let without = b"Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2\r\n".to_vec();
    let mut images = Files::from([(format!("{folder}/GT-final_test.test.csv"), without)]);
    let mut csv = HEADER.to_owned();
    for i in 0..43 {
        let name = format!("{i:05}.ppm");
        csv += &line(&name, 42 - i);
        images.insert(format!("{folder}/{name}"), ppm(42 - i, 30));
    }
    (images, Files::from([("GT-final_test.csv".into(), csv.into_bytes())]))
}

fn zip(path: &Path, files: &Files) {
    zip_as(path, files, CompressionMethod::Deflated);
}

fn zip_as(path: &Path, files: &Files, method: CompressionMethod) {
    let options = SimpleFileOptions::default().compression_method(method);
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in files {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn unpack(folder: &Path, files: &Files) {
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A data folder with the archives.
fn archives() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("gtsrb");
    fs::create_dir(&folder).unwrap();
    let (images, classes) = test();
    for (name, files) in [(TRAIN_ZIP, &training()), (TEST_ZIP, &images), (CLASSES_ZIP, &classes)] {
        zip(&folder.join(name), files);
    }
    dir
}

fn open(dir: &Path, split: Split) -> ImageSet {
    data::open("gtsrb", dir, split).map_err(|e| nf_gpu::error::report(&e)).unwrap()
}

/// Asserts that the images are those of [`training`] or [`test`].
fn is_right(set: &ImageSet, split: Split) {
    let each = if split == Split::Train { 2 } else { 1 };
    assert_eq!((set.len(), set.height, set.width, set.classes), (43 * each, 32, 32, 43));
    assert_eq!((set.class_names.len(), set.class_counts()), (43, vec![each; 43]));
    for i in 0..set.len() {
        let (class, mark) = match split {
            Split::Train => (i / 2, [10, 20][i % 2]),
            Split::Test => (42 - i, 30),
        };
        assert_eq!(usize::from(set.labels[i]), class);
        let image = set.image(i);
        assert!(image[..1024].iter().all(|&v| usize::from(v) == class), "red of image {i}");
        assert!(image[1024..2048].iter().all(|&v| v == mark), "green of image {i}");
        // Blue holds the column: its mean is kept, and it rises from left to right.
        let blue = &image[2048..2080];
        let middle = f64::from(blue[15]) / 2.0 + f64::from(blue[16]) / 2.0;
        assert!((middle - (39.0 + class as f64) / 2.0).abs() <= 0.51, "{middle} of class {class}");
        assert!(blue.is_sorted() && blue == &image[3072 - 32..], "blue of image {i}");
    }
}

#[test]
fn archives_are_read_in_place_and_a_copy_is_kept_while_they_are_the_same() {
    let dir = archives();
    let folder = dir.path().join("gtsrb");
    assert!(data::is_here("gtsrb", dir.path()).is_ok_and(|here| !here), "the sizes are others");
    for split in [Split::Train, Split::Test] {
        is_right(&open(dir.path(), split), split);
        assert!(folder.join(format!("decoded-{split}-32.cache")).is_file());
        is_right(&open(dir.path(), split), split);
    }
    // Read from the decoded copy: the archive's images are not read again while the archive looks
    // unchanged.
    let zip_path = folder.join(TRAIN_ZIP);
    // Stored without compression, so that the size stays the same when an image changes.
    zip_as(&zip_path, &training(), CompressionMethod::Stored);
    is_right(&open(dir.path(), Split::Train), Split::Train);
    let before = fs::metadata(&zip_path).unwrap().modified().unwrap();
    let mut other = training();
    let name = "GTSRB/Final_Training/Images/00003/00000_00000.ppm";
    other.insert(name.into(), ppm(3, 11));
    zip_as(&zip_path, &other, CompressionMethod::Stored);
    let green = || open(dir.path(), Split::Train).image(6)[1024];
    let at = |time| {
        let file = File::options().write(true).open(&zip_path).unwrap();
        file.set_times(fs::FileTimes::new().set_modified(time)).unwrap();
    };
    at(before);
    assert_eq!(green(), 10);
    at(before + std::time::Duration::from_secs(1));
    assert_eq!(green(), 11);
    // A damaged copy is made again.
    let cache = folder.join("decoded-train-32.cache");
    let mut bytes = fs::read(&cache).unwrap();
    bytes[100] ^= 1;
    fs::write(&cache, bytes).unwrap();
    assert_eq!(open(dir.path(), Split::Train).image(0)[..1024], [0; 1024]);
}

#[test]
fn unpacked_folders_do_as_well_and_are_checked_by_reading() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("gtsrb");
    let (images, classes) = test();
    for files in [training(), images, classes] {
        unpack(&folder, &files);
    }
    assert!(data::is_here("gtsrb", dir.path()).unwrap());
    for split in [Split::Train, Split::Test] {
        is_right(&open(dir.path(), split), split);
    }
    let image = folder.join("GTSRB/Final_Training/Images/00042/00001_00000.ppm");
    fs::write(&image, &ppm(42, 20)[..1000]).unwrap();
    let checks = data::check("gtsrb", dir.path()).unwrap();
    let says: Vec<_> = checks.iter().map(data::FileCheck::describe).collect();
    assert_eq!(
        (says.len(), &*says[0], &*says[2]),
        (3, "86 images, not 39209", "43 images, not 12630")
    );
    assert_eq!(checks[1].path, image);
    assert!(matches!(checks[1].state, FileState::Unreadable { .. }));
    let e = data::open("gtsrb", dir.path(), Split::Train).unwrap_err();
    assert!(e.to_string().contains("00042/00001_00000.ppm: not a readable image"), "{e}");
    assert!(e.hint().is_some());
}

#[test]
fn broken_archives_are_refused_by_name() {
    let dir = archives();
    let folder = dir.path().join("gtsrb");
    let path = folder.join(TRAIN_ZIP);
    let refusal = || {
        let e = data::open("gtsrb", dir.path(), Split::Train).unwrap_err();
        assert!(
            e.hint().is_some_and(|h| h.contains("data fetch gtsrb") || h.contains("JPEG")),
            "{e}"
        );
        e.to_string()
    };
    let csv = |text: String| (OF_CLASS_7, Some(text.into_bytes()));
    let image = "GTSRB/Final_Training/Images/00007/00000_00000.ppm";
    for ((name, now), file, says) in [
        ((image, None), OF_CLASS_7, "it lists 00007/00000_00000.ppm, which is not there"),
        ((image, Some(ppm(7, 10)[..500].to_vec())), image, "not a readable image"),
        ((image, Some(b"no picture".to_vec())), image, "not a readable image"),
        (csv("Filename;Width\r\n".into()), OF_CLASS_7, "no column ClassId"),
        (
            csv(format!("{HEADER}{}", line("00000_00000.ppm", 43))),
            OF_CLASS_7,
            "line 2 has class 43",
        ),
        (
            csv(format!("{HEADER}{}", line("00000_00000.ppm", 8))),
            OF_CLASS_7,
            "and the folder is 00007",
        ),
        (csv(HEADER.into()), "GTSRB/Final_Training/Images/", "no train image of class 7 is listed"),
        ((OF_CLASS_7, None), "GTSRB/Final_Training/Images/", "no train image of class 7 is listed"),
    ] {
        let mut files = training();
        match now {
            Some(bytes) => files.insert(name.into(), bytes),
            None => files.remove(name),
        };
        zip(&path, &files);
        let said = refusal();
        let named = format!("{}: ", path.join(file).display());
        assert!(said.starts_with(&named) && said.contains(says), "{said}");
    }
    zip(&path, &training());
    let whole = fs::read(&path).unwrap();
    for cut in [0, 100, whole.len() / 2, whole.len() - 10] {
        fs::write(&path, &whole[..cut]).unwrap();
        let said = refusal();
        assert!(said.starts_with(&format!("{}: ", path.display())), "{said}");
        assert!(said.contains("archive"), "{said}");
    }
    zip(&path, &test().0);
    assert!(refusal().contains("there is no Final_Training/Images/ in this archive"));
}

#[test]
fn absent_archives_say_how_to_get_them_and_half_a_set_is_not_taken() {
    let dir = archives();
    let folder = dir.path().join("gtsrb");
    fs::rename(folder.join(TRAIN_ZIP), folder.join("GTSRB-Training_fixed.zip")).unwrap();
    let e = data::open("gtsrb", dir.path(), Split::Train).unwrap_err();
    assert!(e.to_string().contains("26,640 of the 39,209"), "{e}");
    assert!(e.hint().unwrap().contains(TRAIN_ZIP));
    fs::remove_file(folder.join("GTSRB-Training_fixed.zip")).unwrap();
    let e = data::open("gtsrb", dir.path(), Split::Train).unwrap_err();
    assert!(
        e.to_string().ends_with("GTSRB_Final_Training_Images.zip: this file of gtsrb is not there"),
        "{e}"
    );
    assert!(e.hint().unwrap().contains("`nf-gpu data fetch gtsrb`"));
    fs::remove_file(folder.join(CLASSES_ZIP)).unwrap();
    let e = data::open("gtsrb", dir.path(), Split::Test).unwrap_err();
    assert!(e.to_string().contains("the classes of the test images are not there"), "{e}");
    let states: Vec<_> = data::check("gtsrb", dir.path())
        .unwrap()
        .into_iter()
        .map(|c| (c.path.file_name().unwrap().to_str().unwrap().to_owned(), c.describe()))
        .collect();
    assert_eq!(states[0], (TRAIN_ZIP.into(), "missing".into()));
    assert!(states[1].1.starts_with("truncated: "), "{states:?}");
    assert_eq!(states[2], (CLASSES_ZIP.into(), "missing".into()));
}

#[test]
fn ready_records_come_first() {
    let dir = archives();
    let folder = dir.path().join("gtsrb32");
    fs::create_dir(&folder).unwrap();
    let mut bytes = Vec::new();
    for i in 0..12_630usize {
        bytes.push((i % 43) as u8);
        bytes.resize(bytes.len() + 3072, (i % 251) as u8);
    }
    let path = folder.join("test.bin");
    fs::write(&path, &bytes).unwrap();
    let set = open(dir.path(), Split::Test);
    assert_eq!((set.len(), set.labels[100]), (12_630, 14));
    assert_eq!(set.image(777), [(777 % 251) as u8; 3072]);
    is_right(&open(dir.path(), Split::Train), Split::Train);
    assert!(data::check("gtsrb", dir.path()).unwrap()[1].describe().starts_with("SHA-256 is "));
    bytes[5 * 3073] = 43;
    fs::write(&path, &bytes).unwrap();
    let e = data::open("gtsrb", dir.path(), Split::Test).unwrap_err();
    assert!(e.to_string().ends_with("record 5 has label 43; labels are 0 to 42"), "{e}");
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let e = data::open("gtsrb", dir.path(), Split::Test).unwrap_err();
    assert!(e.to_string().contains("truncated: 38811989 bytes, not 38811990"), "{e}");
}

#[test]
fn the_shared_records_as_they_are() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !dir.join("gtsrb32/test.bin.xz").is_file() {
        skipped(&format!("no gtsrb32/test.bin.xz in {}", dir.display()));
        return;
    }
    let set = open(&dir, Split::Test);
    assert_eq!((set.len(), set.labels[0], set.labels[12_629]), (12_630, 16, 10));
    assert_eq!((set.class_counts()[0], set.class_counts()[2]), (60, 750));
    let bytes: Vec<u8> =
        (0..set.len()).flat_map(|i| [&[set.labels[i] as u8], set.image(i)].concat()).collect();
    let sum = nf_gpu::files::sha256_of(&bytes);
    assert_eq!(sum, "28f211948e297cd179a399e84c9ef92801e74cdac22c24745e937b0e9d7f1bdb");
}

#[test]
fn an_image_of_an_archive_counts_once() {
    let dir = archives();
    let mut files = training();
    let twice = format!("{HEADER}{0}{0}", line("00000_00000.ppm", 7));
    files.insert(OF_CLASS_7.into(), twice.into_bytes());
    zip(&dir.path().join("gtsrb").join(TRAIN_ZIP), &files);
    let e = data::open("gtsrb", dir.path(), Split::Train).unwrap_err().to_string();
    assert!(e.contains("GT-00007.csv: lines 2 and 3 name one image, 00000_00000.ppm"), "{e}");
}

#[test]
fn what_systems_add_to_archives_is_no_sign() {
    let thumbnail = || ppm(0, 99);
    let dir = tempfile::tempdir().unwrap();
    let kaggle = || {
        let mut files = kaggle();
        for name in [
            "Train/0/@eaDir/0.ppm/SYNOPHOTO_THUMB_XL.ppm",
            "Train/0/more/0.ppm",
            "Train/0/._0.ppm",
            "Train/0/a.ppm:Zone.Identifier",
            "Train/@eaDir/0/0.ppm",
            "Train/1/__MACOSX/0.ppm",
            "Train/0.ppm",
            "@eaDir/Train/0/0.ppm",
            "Meta/0/Train/x/0.ppm",
            "OldTrain/0/0.ppm",
            "__MACOSX/Train/0/._0.ppm",
        ] {
            files.insert(name.into(), thumbnail());
        }
        files
    };
    let splits = [Split::Train, Split::Test];
    let clean = || kaggle().into_iter().filter(|(name, _)| !name.contains(':')).collect();
    zip(&dir.path().join("archive.zip"), &kaggle());
    splits.into_iter().for_each(|split| is_right(&open(dir.path(), split), split));
    fs::remove_file(dir.path().join("archive.zip")).unwrap();
    unpack(dir.path(), &clean());
    fs::create_dir(dir.path().join("Train/0/folder.ppm")).unwrap();
    splits.into_iter().for_each(|split| is_right(&open(dir.path(), split), split));
    // Official archives whose first entry is a stray file.
    let dir = archives();
    let mut files = training();
    for (name, of) in [
        ("#recycle/Final_Training/Images/00000/00000_00000.ppm", "00000_00000.ppm"),
        ("#recycle/Final_Training/Images/00000/GT-00000.csv", ""),
        ("GTSRB/Final_Training/Images/00000 (1)/GT-00000.csv", "00000_00000.ppm"),
        ("GTSRB/Final_Training/Images/00000 (1)/00000_00000.ppm", ""),
        ("GTSRB/Final_Training/Images/00000/GT-old/GT-00000.csv", "00000_00000.ppm"),
    ] {
        let list = || format!("{HEADER}{}", line(of, 0)).into_bytes();
        files.insert(name.into(), if name.ends_with("csv") { list() } else { thumbnail() });
    }
    zip(&dir.path().join("gtsrb").join(TRAIN_ZIP), &files);
    is_right(&open(dir.path(), Split::Train), Split::Train);
}
