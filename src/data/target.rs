//! What a fetch has to bring: the files that are missing or wrong.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    checksum::md5,
    cifar10::{self, FILES, FOLDER, RecordFile},
    fetch::{FetchEvent, Progress, tell},
};
use crate::error::{Error, Result};

/// The folder to fill and the files it still lacks.
pub(super) struct Target {
    /// The data folder.
    pub(super) dir: PathBuf,
    /// The folder of the record files in it.
    pub(super) folder: PathBuf,
    /// Files that are missing or wrong.
    pub(super) wanted: Vec<&'static RecordFile>,
}

impl Target {
    /// Makes the folder and looks at what is in it.
    pub(super) fn survey(dir: &Path, progress: Progress<'_>) -> Result<Self> {
        let folder = dir.join(FOLDER);
        fs::create_dir_all(&folder).map_err(|e| Error::write(&folder, e))?;
        let mut wanted = Vec::new();
        for (file, check) in FILES.iter().zip(cifar10::check(dir)?) {
            if check.is_right() {
                tell(progress, FetchEvent::Kept { file: file.name })?;
            } else {
                wanted.push(file);
            }
        }
        Ok(Self { dir: dir.into(), folder, wanted })
    }

    /// A folder that lacks `wanted`.
    #[cfg(test)]
    pub(super) fn at(dir: &Path, wanted: Vec<&'static RecordFile>) -> Self {
        let folder = dir.join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        Self { dir: dir.into(), folder, wanted }
    }

    /// Whether a file of that name (without `.bin`) is still to be written.
    pub(super) fn wants(&self, stem: &str) -> bool {
        self.wanted.iter().any(|f| f.name.strip_suffix(".bin") == Some(stem))
    }

    /// Writes the file of that name (without `.bin`) if its bytes are the right ones.
    pub(super) fn install(
        &mut self,
        stem: &str,
        bytes: &[u8],
        progress: Progress<'_>,
    ) -> Result<()> {
        let Some(i) = self.wanted.iter().position(|f| f.name.strip_suffix(".bin") == Some(stem))
        else {
            return Ok(());
        };
        let file = self.wanted[i];
        let found = md5(bytes);
        if found != file.md5 {
            return Err(Error::Fetch {
                what: file.name.into(),
                message: format!("{} came with MD5 {found}, not {}", file.name, file.md5),
                hint: "try again; the source may be damaged".into(),
            });
        }
        crate::files::atomic::write(self.folder.join(file.name), bytes)?;
        self.wanted.swap_remove(i);
        tell(progress, FetchEvent::Wrote { file: file.name })
    }
}
