//! Compiled pipelines on disk: the driver's bytes behind a digest that guards against damage.

use super::store::make_folder;
use crate::{
    error::Result,
    files::{atomic, sha256_of},
};
use std::path::{Path, PathBuf};

/// First bytes of the file; the SHA-256 of the rest in hexadecimal follows.
const MAGIC: &[u8] = b"nf-gpu pipelines 1\n";
/// Hexadecimal digits of the digest.
const DIGEST: usize = 64;

/// The file of compiled pipelines of one adapter and driver.
#[derive(Clone, Debug)]
pub struct PipelineFile {
    path: PathBuf,
}

impl PipelineFile {
    /// The file at a path, which need not exist.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes that [`Self::save`] wrote. `None` where there is no file, or one that was cut or
    /// changed: a driver must not get damaged data.
    pub fn load(&self) -> Option<Vec<u8>> {
        let file = std::fs::read(&self.path).ok()?;
        let (digest, data) = file.strip_prefix(MAGIC)?.split_at_checked(DIGEST)?;
        (sha256_of(data).as_bytes() == digest).then(|| data.to_vec())
    }

    /// Writes the driver's bytes; creates the folder if it is missing.
    pub fn save(&self, data: &[u8]) -> Result<()> {
        make_folder(&self.path)?;
        atomic::write(&self.path, [MAGIC, sha256_of(data).as_bytes(), data].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_back_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let file = PipelineFile::at(folder.path().join("a/b.bin"));
        assert_eq!(file.load(), None);
        file.save(b"compiled").unwrap();
        assert_eq!(file.load().unwrap(), b"compiled");
        let bytes = std::fs::read(file.path()).unwrap();
        for len in 0..bytes.len() {
            std::fs::write(file.path(), &bytes[..len]).unwrap();
            assert_eq!(file.load(), None, "cut to {len} bytes");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            std::fs::write(file.path(), changed).unwrap();
            assert_eq!(file.load(), None, "byte {at} is another");
        }
    }
}
