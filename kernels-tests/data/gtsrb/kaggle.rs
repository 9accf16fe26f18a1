//! Kaggle's copy of GTSRB, recognised by its names, as an archive and as a folder.
use super::{Files, is_right, open, ppm, unpack, zip};
use nf_gpu::data::{self, Split};
use std::{fs, path::Path};

/// Kaggle's files: the images of [`training`] and [`test`], with the classes of the test images in
/// a list.
pub(super) fn kaggle() -> Files {
    let mut files = Files::from([("Meta/0.png".into(), b"a sign".to_vec())]);
    let mut csv = "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path\n".to_owned();
    for class in 0..43 {
        for (track, mark) in [(0, 10), (1, 20)] {
            let name = format!("{class}/{class:05}_{track:05}_00000.ppm");
            files.insert(format!("Train/{name}"), ppm(class, mark));
            // The archive holds everything twice.
            files.insert(format!("train/{name}"), ppm(class, mark));
        }
        let name = format!("Test/{class:05}.ppm");
        csv += &format!("53,54,6,5,48,49,{},{name}\n", 42 - class);
        files.insert(name.replace("Test", "test"), ppm(42 - class, 30));
        files.insert(name, ppm(42 - class, 30));
    }
    files.insert("Test.csv".into(), csv.into_bytes());
    files
}

#[test]
fn kaggles_copy_is_read_packed_and_unpacked_by_name() {
    for inside in ["gtsrb", "."] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(inside);
        fs::create_dir_all(&folder).unwrap();
        zip(&folder.join("archive.zip"), &kaggle());
        for split in [Split::Train, Split::Test] {
            is_right(&open(dir.path(), split), split);
        }
        fs::remove_file(folder.join("archive.zip")).unwrap();
        unpack(&folder, &kaggle());
        assert!(data::is_here("gtsrb", dir.path()).unwrap());
        for split in [Split::Train, Split::Test] {
            is_right(&open(dir.path(), split), split);
        }
        fs::remove_file(folder.join("Test/00007.ppm")).unwrap();
        let e = data::open("gtsrb", dir.path(), Split::Test).unwrap_err();
        assert!(e.to_string().contains("it lists Test/00007.ppm, which is not there"), "{e}");
        assert!(
            data::check("gtsrb", dir.path()).is_err_and(|e| e.to_string().contains("Test.csv"))
        );
    }
}

#[test]
fn kaggles_copy_is_a_folder_too_with_the_list_of_its_test_images() {
    let dir = tempfile::tempdir().unwrap();
    let all = kaggle();
    let files: Files = all.into_iter().filter(|(name, _)| !name.starts_with("t")).collect();
    let set = dir.path().join("signs");
    unpack(&set, &files);
    let open = |split| data::open(set.to_str().unwrap(), Path::new("none"), split);
    for (split, each) in [(Split::Train, 2), (Split::Test, 1)] {
        let set = open(split).unwrap();
        assert_eq!(set.class_counts(), vec![each; 43]);
        for i in 0..set.len() {
            let class: u8 = set.class_names[usize::from(set.labels[i])].parse().unwrap();
            assert!(set.image(i)[..1024].iter().all(|&red| red == class), "{split}, image {i}");
        }
    }
    let list = fs::read_to_string(set.join("Test.csv")).unwrap();
    // Quotes around fields, as pandas may write them.
    let quoted = list.replace(',', "\",\"").replace('\n', "\"\n\"");
    fs::write(set.join("Test.csv"), format!("\"{}", quoted.trim_end_matches('"'))).unwrap();
    assert_eq!(open(Split::Test).unwrap().class_counts(), vec![1; 43]);
    for (again, says) in [
        ("53,54,6,5,48,49,7,Test/00035.ppm\n", "lines 37 and 45 name one image, Test/00035.ppm"),
        ("53,54,6,5,48,49,8,test/00035.ppm\n", "two lines name one image, 00035.ppm of the test"),
    ] {
        fs::write(set.join("Test.csv"), format!("{list}{again}")).unwrap();
        let e = open(Split::Test).unwrap_err();
        assert!(e.to_string().contains(says) && e.hint().unwrap().contains("second line"), "{e}");
    }
    fs::write(set.join("Test.csv"), list).unwrap();
    fs::remove_dir_all(set.join("Train/7")).unwrap();
    let e = open(Split::Test).unwrap_err().to_string();
    assert!(e.contains("Test.csv: Test/00035.ppm has class 7, which is no folder in train"), "{e}");
    fs::remove_file(set.join("Test.csv")).unwrap();
    let e = open(Split::Test).unwrap_err().to_string();
    assert!(e.contains("there is no class folder in it"), "{e}");
}
