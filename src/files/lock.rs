//! A lock that one process holds at a time, and that is released when the process ends in any way.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    path::Path,
};

use crate::error::{Error, Result};

/// A lock on a file; held until it is dropped or the process ends, be it by a crash. The file stays, as
/// another process may be about to lock it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock `path`, without waiting. Where the file system has no locks, every process gets it.
    ///
    /// # Errors
    /// [`Error::Busy`], which names `what` the lock guards, if another process has it; [`Error::Write`].
    pub fn take(path: impl AsRef<Path>, what: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let written = |e| Error::write(path, e);
        let mut options = File::options();
        let mut file =
            options.create(true).write(true).truncate(false).open(path).map_err(written)?;
        if !try_lock(&file) {
            // The other process's number helps the user; it is left out on systems where a locked file cannot
            // be read.
            let process = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
            return Err(Error::Busy { path: what.as_ref().to_owned(), process });
        }
        let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        noted.map_err(written)?;
        Ok(Self { _file: file })
    }
}

/// Locks an open file itself, until it is closed, without waiting; `path` is its name.
///
/// # Errors
/// [`Error::Busy`]: another process has locked it.
pub fn lock(file: &File, path: impl AsRef<Path>) -> Result<()> {
    if try_lock(file) {
        return Ok(());
    }
    Err(Error::Busy { path: path.as_ref().to_owned(), process: None })
}

/// Whether no other process has the lock, which is then taken. A file system without locks always says yes.
fn try_lock(file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_one_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        let first = Lock::take(&path, "run").unwrap();
        let error = Lock::take(&path, "run").unwrap_err();
        assert!(matches!(&error, Error::Busy { path, .. } if path == Path::new("run")), "{error}");
        #[cfg(unix)]
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(first);
        Lock::take(&path, "run").unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_write_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = Lock::take(folder.path().join("no/.lock"), "run").unwrap_err();
        assert!(matches!(error, Error::Write { .. }), "{error}");
    }
}
