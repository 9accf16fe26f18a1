//! Replaces files so that there is always either the old file or the whole new one, whatever happens in
//! between.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::error::{Error, Result};

/// Writes `bytes` to `path`: see [`write_with`].
///
/// # Errors
/// [`Error::Write`] with `path`; an existing file is then as it was.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<()> {
    write_with(path, |out| out.write_all(bytes.as_ref()))
}

/// Writes what `fill` writes to `path`.
///
/// The bytes go to a temporary file in the same folder, which is flushed to the disk and then
/// renamed, so that a full disk, a crash or Ctrl-C leaves an existing file as it was. A symbolic
/// link is followed, also one to a file that is not there yet. What is not a regular file (a pipe,
/// `/dev/null`) is written in place.
///
/// # Errors
/// [`Error::Write`] with `path`, also for the errors of `fill`; the temporary file is then removed.
pub fn write_with(
    path: impl AsRef<Path>,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    replace(path, None, fill).map_err(|e| Error::write(path, e))
}

/// Like [`write_with`], but the file that was there stays as `previous`, in the same folder. At every moment
/// one of the two is there, whole.
pub fn write_keeping(
    path: impl AsRef<Path>,
    previous: impl AsRef<Path>,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    replace(path, Some(previous.as_ref()), fill).map_err(|e| Error::write(path, e))
}

/// Removes the temporary files that are being written. It is for a process that is about to end, as nothing
/// else would remove them.
pub(crate) fn abandon() {
    BEGUN.remove();
}

static BEGUN: Begun = Begun(Mutex::new(Vec::new()));

/// Temporary files that are to be removed if the process ends before they are renamed.
struct Begun(Mutex<Vec<PathBuf>>);

impl Begun {
    fn paths(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a temporary file until the returned guard is dropped.
    fn note(&self, path: &Path) -> Noted<'_> {
        self.paths().push(path.to_owned());
        Noted(self, path.to_owned())
    }

    fn remove(&self) {
        // A file that has just been renamed is not there any more; one that cannot be removed does no harm.
        self.paths().drain(..).for_each(|path| drop(fs::remove_file(path)));
    }
}

struct Noted<'a>(&'a Begun, PathBuf);

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.0.paths().retain(|path| *path != self.1);
    }
}

/// Removes the temporary files that processes left in `folder` when they were killed. Only for a folder
/// that nobody else writes to now: see [`super::Lock`].
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            // A file that cannot be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Checks that [`write()`] could write `path`, before the work that makes its contents. Leaves nothing behind
/// and an existing file as it is.
///
/// # Errors
/// [`Error::Write`] with `path`: it is a folder, or the folder around it is missing or takes no files.
pub fn check(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let tried = target_of(path).and_then(|target| match fs::metadata(&target) {
        Ok(there) if there.is_dir() => Err(is_a_folder()),
        Ok(there) if !there.is_file() => Ok(()),
        _ => temporary().tempfile_in(folder_of(&target)).map(drop),
    });
    tried.map_err(|e| Error::write(path, e))
}

/// Most links that are followed one after another; Linux follows as many.
pub(crate) const LINKS: usize = 40;

/// The file that is written: the target of links, even if it does not exist yet.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    let mut at = path.to_owned();
    for _ in 0..=LINKS {
        if let Ok(there) = fs::canonicalize(&at) {
            return Ok(there);
        }
        let Ok(next) = fs::read_link(&at) else { return Ok(at) };
        at = folder_of(&at).join(next);
    }
    // The links lead in a circle, for which the system has an error.
    fs::metadata(path).map(|_| at)
}

fn is_a_folder() -> io::Error {
    io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")
}

/// How names of temporary files begin and end.
const PREFIX: &str = ".nf-gpu-";
const SUFFIX: &str = ".part";

/// Makes temporary files with names that show that they are ours.
fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    builder
}

fn replace(
    path: &Path,
    previous: Option<&Path>,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let target = target_of(path)?;
    match fs::metadata(&target) {
        Ok(there) if there.is_dir() => return Err(is_a_folder()),
        Ok(there) if !there.is_file() => {
            let mut out = BufWriter::new(File::options().write(true).open(&target)?);
            fill(&mut out)?;
            return out.flush();
        }
        _ => {}
    }
    let folder = folder_of(&target);
    let mut builder = temporary();
    #[cfg(unix)]
    {
        // A temporary file is private by default; this one becomes a file for everybody (the
        // system's umask still applies), or keeps the permissions of the file it replaces.
        use std::os::unix::fs::PermissionsExt;
        let old = fs::metadata(&target).map(|m| m.permissions());
        builder.permissions(old.unwrap_or_else(|_| fs::Permissions::from_mode(0o666)));
    }
    let temporary = builder.tempfile_in(&folder)?;
    let _noted = BEGUN.note(temporary.path());
    let mut out = BufWriter::with_capacity(1 << 16, temporary.as_file());
    fill(&mut out)?;
    out.flush()?;
    drop(out);
    temporary.as_file().sync_all()?;
    if let Some(previous) = previous.filter(|_| target.exists()) {
        keep(&target, previous)?;
    }
    temporary.persist(&target).map_err(|e| e.error)?;
    // Syncing the folder brings the rename to the disk; not every file system can do this.
    #[cfg(unix)]
    let _ = File::open(&folder).and_then(|f| f.sync_all());
    Ok(())
}

/// Gives the file at `target` the second name `previous`, and removes a file that had that name.
fn keep(target: &Path, previous: &Path) -> io::Result<()> {
    match fs::remove_file(previous) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    // Where a file cannot have two names, it has only the name `previous` for a moment.
    fs::hard_link(target, previous).or_else(|_| fs::rename(target, previous))
}

/// The folder that `path` is in, `.` for a bare name.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_a_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write(&path, b"old, and longer").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_check_says_what_a_write_would_say_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        check(&path).unwrap();
        assert!(names(folder.path()).is_empty());
        write(&path, b"old").unwrap();
        check(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        for wrong in [folder.path(), &folder.path().join("no/a.bin"), &path.join("a.bin")] {
            let says = |e: Error| e.hint().unwrap();
            assert_eq!(says(check(wrong).unwrap_err()), says(write(wrong, b"").unwrap_err()));
        }
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_failure_half_way_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write(&path, b"old").unwrap();
        let error = write_with(&path, |out| {
            out.write_all(&vec![1; 1 << 20])?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert!(matches!(&error, Error::Write { path: p, .. } if *p == path), "{error}");
        assert!(error.hint().unwrap().contains("disk is full"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn the_file_before_is_kept_and_a_failure_changes_neither() {
        let folder = tempfile::tempdir().unwrap();
        let (path, previous) = (folder.path().join("a.bin"), folder.path().join("b.bin"));
        let put = |bytes: &'static [u8]| {
            write_keeping(&path, &previous, |out| out.write_all(bytes)).unwrap();
        };
        put(b"1");
        assert_eq!(names(folder.path()), ["a.bin"]);
        put(b"2");
        put(b"3");
        let read = || (fs::read(&path).unwrap(), fs::read(&previous).unwrap());
        assert_eq!(read(), (b"3".to_vec(), b"2".to_vec()));
        write_keeping(&path, &previous, |_| Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert_eq!(read(), (b"3".to_vec(), b"2".to_vec()));
        assert_eq!(names(folder.path()), ["a.bin", "b.bin"]);
    }

    #[test]
    fn a_sweep_removes_temporary_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".nf-gpu-a1.part", "a.part", ".nf-gpu-", "state.json"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        sweep(folder.path());
        assert_eq!(names(folder.path()), [".nf-gpu-", "a.part", "state.json"]);
    }

    #[test]
    fn what_is_half_written_goes_with_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let begun = Begun(Mutex::default());
        for name in ["done", "half"] {
            fs::write(path(name), b"").unwrap();
        }
        drop(begun.note(&path("done")));
        let _half = begun.note(&path("half"));
        begun.remove();
        assert_eq!(names(folder.path()), ["done"]);
    }

    #[test]
    fn a_missing_folder_and_a_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(folder.path().join("no/a.bin"), b"").unwrap_err();
        assert!(error.hint().unwrap().contains("does not exist"), "{error}");
        let error = write(folder.path(), b"").unwrap_err();
        assert!(matches!(error, Error::Write { .. }));
        assert!(folder.path().is_dir());
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_an_ordinary_file_and_survive() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        let plain = folder.path().join("plain");
        fs::write(&plain, b"").unwrap();
        write(&path, b"1").unwrap();
        assert_eq!(mode(&path), mode(&plain));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write(&path, b"2").unwrap();
        assert_eq!(mode(&path), 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nothing_leads_to_the_file_that_is_made() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("d")).unwrap();
        for (to, from) in
            [("d/file", "one"), ("one", "two"), ("no/file", "lost"), ("b", "a"), ("a", "b")]
        {
            symlink(to, path(from)).unwrap();
        }
        check(path("two")).unwrap();
        assert!(names(&path("d")).is_empty());
        write(path("two"), b"new").unwrap();
        assert_eq!(fs::read(path("d/file")).unwrap(), b"new");
        for (link, hint) in [("lost", "does not exist"), ("a", "check the path")] {
            let say =
                [check(path(link)), write(path(link), b"")].map(|e| e.unwrap_err().hint().unwrap());
            assert!(say[0].contains(hint) && say[0] == say[1], "{say:?}");
        }
        for link in ["one", "two", "lost", "a", "b"] {
            assert!(fs::symlink_metadata(path(link)).unwrap().is_symlink(), "{link}");
        }
        assert_eq!(names(folder.path()), ["a", "b", "d", "lost", "one", "two"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_written_in_place_and_may_be_full() {
        use std::os::unix::fs::FileTypeExt;
        write("/dev/null", b"gone").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        let error = write("/dev/full", b"too much").unwrap_err();
        assert!(error.hint().unwrap().contains("disk is full"), "{error}");
    }
}
