//! Conversion of packages that the tests make.

use std::{fs, path::PathBuf};

use flate2::write::GzEncoder;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use super::*;
use crate::data::data_files::DataFile;

/// A sheet of `rows` images as PNG.
fn png(rgb: &[u8], rows: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let columns = (rgb.len() / 3 / rows) as u32;
    PngEncoder::new(&mut out)
        .write_image(rgb, columns, rows as u32, ExtendedColorType::Rgb8)
        .unwrap();
    out
}

#[test]
fn a_sheet_becomes_records_of_label_red_green_blue() {
    let rgb: Vec<u8> = (0..2 * 3 * PIXELS).map(|i| (i % 251) as u8).collect();
    let records = records("s.png", &png(&rgb, 2), &[7, 3]).unwrap();
    assert_eq!(records.len(), 2 * RECORD_BYTES);
    for (image, label) in [(0, 7), (1, 3)] {
        let record = &records[image * RECORD_BYTES..];
        assert_eq!(record[0], label);
        for (channel, pixel) in [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1023)] {
            let want = rgb[3 * (image * PIXELS + pixel) + channel];
            assert_eq!(record[1 + channel * PIXELS + pixel], want, "{image} {channel} {pixel}");
        }
    }
    let e = super::records("s.png", &png(&rgb, 2), &[7]).unwrap_err();
    assert!(e.to_string().contains("1024x2 (Rgb, Eight)"), "{e}");
    assert!(super::records("s.png", b"no PNG", &[7]).is_err());
}

/// A package of black sheets and labels 0, with the files that `keep` wants.
fn package(folder: &Path, keep: impl Fn(&str) -> bool, label: u8) -> PathBuf {
    let black = png(&vec![0; 3 * PIXELS * RECORDS], RECORDS);
    let labels = |n| serde_json::to_vec(&vec![label; n]).unwrap();
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, bytes) in [
        ("package.json", b"{}".to_vec()),
        ("data_batch_3.png", black.clone()),
        ("test_batch.png", black),
        ("test_lables.json", labels(RECORDS)),
        ("train_lables.json", labels(5 * RECORDS)),
    ] {
        if keep(name) {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("package/{name}"), &bytes[..]).unwrap();
        }
    }
    let path = folder.join("package.tgz");
    fs::write(&path, tar.into_inner().unwrap().finish().unwrap()).unwrap();
    path
}

/// md5sum of 30,730,000 zero bytes.
const ZEROS: &str = "229a4f9bbbc879e7371f2391ac1f4775";
const BYTES: u64 = (RECORDS * RECORD_BYTES) as u64;
const TEST: DataFile = DataFile::md5("test_batch.bin", BYTES, ZEROS);
const THIRD: DataFile = DataFile::md5("data_batch_3.bin", BYTES, ZEROS);

#[test]
fn a_package_becomes_the_files_that_are_wanted_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let written = || fs::read_dir(dir.path().join("files")).unwrap().count();
    let all = package(dir.path(), |_| true, 0);
    for (wanted, n) in [(vec![THIRD], 1), (vec![THIRD, TEST], 2)] {
        convert(&all, &mut FetchTarget::at(&dir.path().join("files"), &wanted), &mut |_| true)
            .unwrap();
        assert_eq!(written(), n);
    }
}

#[test]
fn a_wrong_package_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let written = || fs::read_dir(dir.path().join("files")).unwrap().count();
    let convert = |path: &Path| {
        let mut target = FetchTarget::at(&dir.path().join("files"), &[TEST]);
        let result = convert(path, &mut target, &mut |_| true);
        (result.map_err(|e| e.to_string()), target.wants("test_batch.bin"))
    };

    let (result, _) = convert(&package(dir.path(), |_| true, 1));
    assert!(result.unwrap_err().contains("came with MD5"));
    let (result, _) = convert(&package(dir.path(), |n| n != "test_lables.json", 0));
    assert!(result.unwrap_err().contains("50000 and 0 labels"));
    let (result, wants) = convert(&package(dir.path(), |n| n != "test_batch.png", 0));
    assert_eq!((result, wants), (Ok(()), true));
    let whole = package(dir.path(), |_| true, 0);
    let bytes = fs::read(&whole).unwrap();
    fs::write(&whole, &bytes[..bytes.len() / 2]).unwrap();
    let (result, _) = convert(&whole);
    assert!(result.unwrap_err().contains("damaged"));
    assert_eq!(written(), 0);
}
