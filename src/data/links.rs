//! Finds the links in the folders of a data set: the files that they lead to, wherever they lie, are read as
//! well.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Depth to which folders within folders are searched, the same as for images.
const DEPTH: u32 = 8;

/// All links in a folder and below, also in folders that links lead to. Only links are resolved, which takes
/// time: a set may have a million images. Folders that cannot be read are skipped here and refused by the
/// functions that read their images.
pub(super) fn below(folder: &Path) -> Vec<PathBuf> {
    let mut walk = Walk::default();
    walk.entered.extend(fs::canonicalize(folder));
    walk.through(folder, DEPTH);
    walk.found
}

#[derive(Default)]
struct Walk {
    found: Vec<PathBuf>,
    /// Folders that have been entered through links, since a link may lead back to a folder that holds it.
    entered: BTreeSet<PathBuf>,
}

impl Walk {
    fn through(&mut self, folder: &Path, depth: u32) {
        let Some(depth) = depth.checked_sub(1) else { return };
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            if kind.as_ref().is_ok_and(fs::FileType::is_symlink) {
                let led = Some(&path).filter(|path| path.is_dir());
                if let Some(led) = led.and_then(|path| fs::canonicalize(path).ok())
                    && self.entered.insert(led.clone())
                {
                    self.through(&led, depth);
                }
                self.found.push(path);
            } else if kind.is_ok_and(|kind| kind.is_dir()) {
                self.through(&path, depth);
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_found_at_every_depth_and_circles_end() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["set/a/b", "store/deep"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for (to, from) in [
            ("store/x", "set/a/file"),
            ("store", "set/a/b/folder"),
            ("set", "store/back"),
            ("store/nowhere", "store/deep/dangling"),
        ] {
            symlink(at(to), at(from)).unwrap();
        }
        let found = below(&at("set"));
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut names: Vec<_> = found.iter().map(name).collect();
        names.sort();
        assert_eq!(names, ["back", "dangling", "file", "folder"]);
    }
}
