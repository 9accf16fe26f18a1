//! A folder of files that is there whole or not at all.

use crate::error::{Error, Result};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// Names and contents of the files of a folder.
pub type DeviceFiles = Vec<(String, Vec<u8>)>;

/// Checks that a folder of files could be written, before the work that makes them.
///
/// # Errors
/// [`Error::Argument`] for a folder with something in it, which would be mixed with what is written, and for a file;
/// [`Error::Write`] where the folder around it is missing or takes no files.
pub fn check(flag: &str, folder: &Path) -> Result<()> {
    let shown = folder.display();
    match fs::metadata(folder) {
        Ok(there) if !there.is_dir() => {
            Err(Error::argument(flag, format!("{shown} is no folder"), "name a new folder"))
        }
        Ok(_) => {
            let mut entries = fs::read_dir(folder).map_err(|e| Error::read(folder, e))?;
            if entries.next().is_some() {
                let what = format!("{shown} has files already, which are not replaced");
                return Err(Error::argument(flag, what, "name a new folder, or remove this one"));
            }
            temporary(folder).map(drop)
        }
        Err(_) => temporary(folder).map(drop),
    }
}

/// An empty folder beside the one that is to be written; it goes when it is dropped.
fn temporary(folder: &Path) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".nf-gpu-").suffix(".part");
    #[cfg(unix)]
    {
        // A folder for everybody, as one that the user makes; the system's umask still applies.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o777));
    }
    builder.tempdir_in(around(folder)).map_err(|e| Error::write(folder, e))
}

/// The folder that a path is in, `.` for a bare name.
fn around(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Writes a folder that is not there yet, or has nothing in it. Its files are written under another name first, which
/// becomes the folder's when all are on the disk.
///
/// # Errors
/// Those of [`check`].
pub fn write(flag: &str, folder: &Path, files: &DeviceFiles) -> Result<()> {
    check(flag, folder)?;
    let made = temporary(folder)?;
    for (name, bytes) in files {
        let path = made.path().join(name);
        let fill = || {
            let mut file = File::create_new(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        fill().map_err(|e| Error::write(folder.join(name), e))?;
    }
    // Where a folder cannot take the place of an empty one, that one goes first.
    if folder.is_dir() {
        fs::remove_dir(folder).map_err(|e| Error::write(folder, e))?;
    }
    fs::rename(made.path(), folder).map_err(|e| Error::write(folder, e))?;
    // It has another name now: there is nothing left to be removed.
    let _ = made.keep();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_new_or_empty_and_whole() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let files = vec![("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())];
        fs::create_dir(at("empty")).unwrap();
        for name in ["new", "empty"] {
            check("--c", &at(name)).unwrap();
            write("--c", &at(name), &files).unwrap();
            assert_eq!(fs::read(at(name).join("b")).unwrap(), b"2");
        }
        fs::write(at("file"), "").unwrap();
        for (name, says) in [("new", "not replaced"), ("file", "no folder")] {
            let error = write("--c", &at(name), &files).unwrap_err();
            assert!(error.to_string().contains(says) && error.exit_code() == 2, "{error}");
        }
        for name in ["none/new", "file/new"] {
            assert!(matches!(check("--c", &at(name)), Err(Error::Write { .. })), "{name}");
        }
        // A name that cannot be written: nothing is left, under neither name.
        let bad = vec![("a".to_owned(), Vec::new()), ("no/b".to_owned(), Vec::new())];
        write("--c", &at("bad"), &bad).unwrap_err();
        let mut left: Vec<_> =
            fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["empty", "file", "new"]);
    }
}
