//! Files in a folder or in a zip archive, read in place.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use zip::{ZipArchive, result::ZipError};

use crate::{
    data::{litter, positioned::SharedFile},
    error::{Error, Result},
};

const AGAIN: &str = "get the archive again: run `nf-gpu data fetch gtsrb`";
/// Most bytes of an archive's file that are read (the largest image has 0.2 MB).
const MAX_BYTES: u64 = 64 << 20;

/// A folder, on the disk or in an archive. Clones can be read at the same time.
#[derive(Clone)]
pub(in crate::data) enum Tree {
    /// On the disk.
    Folder(PathBuf),
    /// The members of the archive at `path` that begin with `base`.
    Zip { path: PathBuf, archive: ZipArchive<SharedFile>, base: String },
}

/// Names of images in a tree, and their classes.
pub(super) type List = Vec<(String, u16)>;

impl Tree {
    /// The folder in an archive whose path ends in `folder`, the topmost of several; for "" the top of the
    /// archive. Folders that systems add to an archive (`__MACOSX/...`) are skipped: they hold files of the
    /// same names.
    pub(in crate::data) fn zip(path: &Path, folder: &str) -> Result<Self> {
        let file = File::open(path).and_then(SharedFile::new).map_err(|e| Error::read(path, e))?;
        let archive = ZipArchive::new(file).map_err(|e| damaged(path, e))?;
        let within = |name: &str| {
            let mut starts = name.match_indices(folder).map(|(at, _)| &name[..at]);
            let above = starts.find(|above| above.is_empty() || above.ends_with('/'))?;
            let is_litter = litter::is_on_the_way(above);
            (!is_litter).then(|| format!("{above}{folder}"))
        };
        let found = archive.file_names().filter_map(within);
        let base = found.min_by_key(|base| (base.matches('/').count(), base.clone()));
        let base = base.ok_or_else(|| {
            Error::format(path, format!("there is no {folder} in this archive"), AGAIN)
        })?;
        Ok(Self::Zip { path: path.into(), archive, base })
    }

    /// Path of a file, for messages.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(root) => root.join(name),
            Self::Zip { path, base, .. } => path.join(format!("{base}{name}")),
        }
    }

    /// Names of all files that `wanted` says yes to, relative to the folder, with `/`, sorted.
    pub(in crate::data) fn names(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let mut names = match self {
            Self::Folder(root) => below(root)?,
            Self::Zip { archive, base, .. } => {
                archive.file_names().filter_map(|n| n.strip_prefix(base)).map(Into::into).collect()
            }
        };
        names.retain(|n: &String| wanted(n));
        names.sort_unstable();
        Ok(names)
    }

    /// Whether there is a file of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(root) => root.join(name).is_file(),
            Self::Zip { archive, base, .. } => {
                archive.index_for_name(&format!("{base}{name}")).is_some()
            }
        }
    }

    /// The bytes of a file.
    pub(in crate::data) fn read(&mut self, name: &str) -> Result<Vec<u8>> {
        let shown = self.path(name);
        match self {
            Self::Folder(_) => fs::read(&shown).map_err(|e| Error::read(&shown, e)),
            Self::Zip { archive, base, .. } => {
                let member = archive.by_name(&format!("{base}{name}"));
                let mut bytes = Vec::new();
                member
                    .map_err(|e| damaged(&shown, e))?
                    .take(MAX_BYTES)
                    .read_to_end(&mut bytes)
                    .map_err(|e| damaged(&shown, ZipError::Io(e)))?;
                Ok(bytes)
            }
        }
    }
}

fn damaged(path: &Path, error: ZipError) -> Error {
    let what = format!("not a readable zip archive: {error}");
    match error {
        // Errors of the operating system keep their own hints.
        ZipError::Io(e) if e.raw_os_error().is_some() => Error::read(path, e),
        ZipError::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            Error::format(path, "the archive is truncated", AGAIN)
        }
        _ => Error::format(path, what, AGAIN),
    }
}

/// Names of the files in the class folders below `root`: two levels, as in the archives.
fn below(root: &Path) -> Result<Vec<String>> {
    let list = |folder: &Path| -> Result<Vec<(String, bool)>> {
        let reading = |e| Error::read(folder, e);
        fs::read_dir(folder)
            .map_err(reading)?
            .map(|entry| {
                let entry = entry.map_err(reading)?;
                let is_folder = entry.path().is_dir();
                Ok((entry.file_name().to_string_lossy().into_owned(), is_folder))
            })
            .collect()
    };
    let mut names = Vec::new();
    for (name, is_folder) in list(root)? {
        if is_folder {
            let inner = list(&root.join(&name))?;
            let files = inner.iter().filter(|(_, is_folder)| !is_folder);
            names.extend(files.map(|(file, _)| format!("{name}/{file}")));
        } else {
            names.push(name);
        }
    }
    Ok(names)
}
