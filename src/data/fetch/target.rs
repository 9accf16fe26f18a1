//! The files that a fetch has to bring, because they are missing or wrong.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use super::{FetchEvent, FetchProgress, tell};
use crate::{
    data::{
        checksum::FileCheck,
        data_files::{DataFile, DataFiles},
    },
    error::{Error, Result},
};

/// The folder to fill and the files it still lacks.
pub(in crate::data) struct FetchTarget {
    /// The data set's folder.
    pub(super) folder: PathBuf,
    /// Files that are missing or wrong.
    pub(super) wanted: Vec<DataFile>,
}

impl FetchTarget {
    /// Makes the folder and looks at what is in it.
    pub(super) fn survey(
        files: DataFiles,
        dir: &Path,
        progress: FetchProgress<'_>,
    ) -> Result<Self> {
        let folder = dir.join(files.folder);
        fs::create_dir_all(&folder).map_err(|e| Error::write(&folder, e))?;
        let mut wanted = Vec::new();
        for file in files.list {
            if FileCheck::of(folder.join(file.name), file.bytes, file.sum)?.is_right() {
                tell(progress, FetchEvent::Kept { file: file.name })?;
            } else {
                wanted.push(*file);
            }
        }
        Ok(Self { folder, wanted })
    }

    /// A folder that lacks `wanted`.
    #[cfg(test)]
    pub(in crate::data) fn at(folder: &Path, wanted: &[DataFile]) -> Self {
        fs::create_dir_all(folder).unwrap();
        Self { folder: folder.into(), wanted: wanted.into() }
    }

    /// The file of that name, when it is still to be written.
    pub(super) fn wanted(&self, name: &str) -> Option<DataFile> {
        self.wanted.iter().find(|f| f.name == name).copied()
    }

    /// Whether a file of that name is still to be written.
    pub(in crate::data) fn wants(&self, name: &str) -> bool {
        self.wanted(name).is_some()
    }

    /// Writes the file of that name if its bytes are the right ones.
    pub(in crate::data) fn install(
        &mut self,
        name: &str,
        bytes: &[u8],
        progress: FetchProgress<'_>,
    ) -> Result<()> {
        let Some(file) = self.wanted(name) else {
            return Ok(());
        };
        verify(file, bytes)?;
        crate::files::atomic::write(self.folder.join(name), bytes)?;
        self.done(file, progress)
    }

    /// Makes a download the file of that name if its bytes are the right ones.
    pub(super) fn adopt(
        &mut self,
        name: &str,
        part: &Path,
        progress: FetchProgress<'_>,
    ) -> Result<()> {
        let Some(file) = self.wanted(name) else {
            return Ok(());
        };
        verify(file, File::open(part).map_err(|e| Error::read(part, e))?)?;
        let path = self.folder.join(name);
        fs::rename(part, &path).map_err(|e| Error::write(&path, e))?;
        self.done(file, progress)
    }

    fn done(&mut self, file: DataFile, progress: FetchProgress<'_>) -> Result<()> {
        self.wanted.retain(|f| f.name != file.name);
        tell(progress, FetchEvent::Wrote { file: file.name })
    }
}

fn verify(file: DataFile, from: impl Read) -> Result<()> {
    let (bytes, found) = file.sum.of(from).map_err(|e| Error::read(file.name, e))?;
    if (bytes, found.as_str()) == (file.bytes, file.sum.digits()) {
        return Ok(());
    }
    let name = file.name;
    let message = if bytes == file.bytes {
        let (method, right) = (file.sum.method(), file.sum.digits());
        format!("{name} came with {method} {found}, not {right}")
    } else {
        format!("{name} came with {bytes} bytes, not {}", file.bytes)
    };
    Err(Error::Fetch {
        what: name.into(),
        message,
        hint: "try again; the source may be damaged".into(),
    })
}
