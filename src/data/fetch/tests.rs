//! Sources that do not work, one after the other.

use super::*;
use crate::data::{
    cifar10::{FILES, FOLDER, sheets},
    data_files::DataFile,
};

/// Sources that cannot work: a port that nobody listens on, a program that is not there, a folder
/// without the files.
fn nowhere() -> [FileSource; 3] {
    let package = npm::Package { name: "x@1", packed: "x-1.tgz", bytes: 1 };
    [
        ("a server", Way::TarGz(Remote::new("http://127.0.0.1:1/x", ""))),
        ("a package", Way::Npm { package, install: sheets::convert }),
        ("a folder", Way::Installed("no/such/folder")),
    ]
    .map(|(words, way)| FileSource { words, way })
}

fn try_all(dir: &Path, progress: FetchProgress<'_>) -> Result<()> {
    let means =
        Means { npm: "nf-gpu-test-no-such-program".into(), patience: Duration::from_secs(1) };
    fetch("cifar10", FILES, &nowhere(), &means, dir, progress)
}

#[test]
fn without_a_source_the_error_names_each_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let e = try_all(dir.path(), &mut |event| {
        if let FetchEvent::Trying { source } | FetchEvent::Failed { source, .. } = event {
            told.push(source.to_owned());
        }
        true
    })
    .unwrap_err();
    let text = crate::error::report(&e);
    for part in [
        "a server: ",
        "npm is not installed",
        "a folder: it is not installed",
        "fashion-sample",
        "by hand",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(told, ["a server", "a server", "a package", "a package", "a folder", "a folder"]);
    assert_eq!(fs::read_dir(dir.path().join(FOLDER)).unwrap().count(), 0);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something was left");
}

#[test]
fn stopping_stops_before_the_next_source() {
    let dir = tempfile::tempdir().unwrap();
    let mut asked = 0;
    let stopped = try_all(dir.path(), &mut |_| {
        asked += 1;
        false
    });
    assert!(matches!(stopped, Err(Error::Interrupted)));
    assert_eq!(asked, 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_a_write_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let e = try_all(file.path(), &mut |_| true).unwrap_err();
    assert!(matches!(e, Error::Write { .. }), "{e}");
}

#[test]
fn a_download_that_is_the_file_is_moved_into_place_when_it_is_right() {
    const FILE: DataFile = DataFile::md5("f.zip", 3, "900150983cd24fb0d6963f7d28e17f72");
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join("f.zip.part");
    let mut target = FetchTarget::at(dir.path(), &[FILE]);
    fs::write(&part, "abd").unwrap();
    let e = target.adopt("f.zip", &part, &mut |_| true).unwrap_err();
    assert!(e.to_string().contains("came with MD5 4911e5"), "{e}");
    assert!(target.wants("f.zip") && !dir.path().join("f.zip").exists());
    fs::write(&part, "abc").unwrap();
    target.adopt("f.zip", &part, &mut |_| true).unwrap();
    assert!(!target.wants("f.zip") && !part.exists());
    assert_eq!(fs::read(dir.path().join("f.zip")).unwrap(), b"abc");
}

#[test]
fn installed_files_are_unpacked_and_verified() {
    const RIGHT: DataFile = DataFile::md5("f", 3, "900150983cd24fb0d6963f7d28e17f72");
    const OTHER: DataFile = DataFile::md5("f", 3, "0123");
    let dir = tempfile::tempdir().unwrap();
    let system = dir.path().join("system");
    fs::create_dir(&system).unwrap();
    let mut gz = flate2::GzBuilder::new().read(&b"abc"[..], flate2::Compression::fast());
    std::io::copy(&mut gz, &mut fs::File::create(system.join("f.gz")).unwrap()).unwrap();
    let folder = dir.path().join("files");
    assert!(installed(&system, &mut FetchTarget::at(&folder, &[OTHER]), &mut |_| true).is_err());
    assert!(!folder.join("f").exists());
    installed(&system, &mut FetchTarget::at(&folder, &[RIGHT]), &mut |_| true).unwrap();
    assert_eq!(fs::read(folder.join("f")).unwrap(), b"abc");
}
