//! Where a command reads and writes: no file twice, and all writable before the work.

use crate::{
    error::{Error, Result},
    files::atomic,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A flag and the file it names, if it is given.
type Named<'a> = (&'static str, Option<&'a PathBuf>);

/// No output replaces an input or another output, and all can be written.
///
/// # Errors
/// [`Error::Argument`] naming the two flags; [`Error::Write`].
pub(crate) fn check(inputs: &[Named<'_>], outputs: &[Named<'_>]) -> Result<()> {
    for (i, &(flag, path)) in outputs.iter().enumerate() {
        let Some(path) = path else { continue };
        for &(other, taken) in inputs.iter().chain(&outputs[..i]) {
            if taken.is_some_and(|taken| same(path, taken)) {
                let what = format!("{} is already {other}", path.display());
                return Err(Error::argument(flag, what, "give it a file of its own"));
            }
        }
    }
    outputs.iter().filter_map(|(_, path)| *path).try_for_each(atomic::check)
}

/// Whether writing one file would change the other. A device such as `/dev/null` keeps nothing.
fn same(a: &Path, b: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir());
    !device(a) && real(a) == real(b)
}

/// The path without links and dots; of a file that is not there yet, its folder's.
fn real(path: &Path) -> PathBuf {
    if let Ok(path) = fs::canonicalize(path) {
        return path;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).unwrap_or_default();
    folder.join(path.file_name().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_many_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::write(file("x"), "").unwrap();
        fs::create_dir(file("d")).unwrap();
        let taken = file("x");
        for name in ["x", "./x", "d/../x"] {
            let error = check(&[("--input", Some(&taken))], &[("--output", Some(&file(name)))]);
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with("--output: ") && error.ends_with("already --input"));
        }
        let (new, again) = (file("y"), file("d/../y"));
        let error = check(&[], &[("--output", Some(&new)), ("--grads", Some(&again))]);
        assert!(error.unwrap_err().to_string().contains("already --output"));
        let other = file("z");
        let outputs = [("--output", Some(&new)), ("--grads", Some(&other)), ("--after", None)];
        check(&[("--input", Some(&taken))], &outputs).unwrap();
        let missing = file("no/y");
        assert!(matches!(check(&[], &[("--output", Some(&missing))]), Err(Error::Write { .. })));
        #[cfg(unix)]
        {
            let null = PathBuf::from("/dev/null");
            check(&[], &[("--output", Some(&null)), ("--grads", Some(&null))]).unwrap();
            std::os::unix::fs::symlink(file("x"), file("link")).unwrap();
            let link = file("link");
            assert!(check(&[("--input", Some(&taken))], &[("--output", Some(&link))]).is_err());
        }
    }
}
