//! Litter: files and folders that systems and programs leave behind, which are neither images nor the user's.

use std::{collections::BTreeMap, path::Path};

use super::decode;

/// Names of litter, in lower case.
const NAMES: [&str; 23] = [
    "@eadir", // Synology: thumbnails that end in .jpg
    "@tmp",
    "@recycle", // QNAP
    "#recycle",
    "#snapshot",
    "thumbs.db", // Windows
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "albumthumbs.db",
    "recycler",
    "found.000", // what chkdsk found
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    "picasa.ini",
    "__macosx", // zip archives made on a Mac
    "icon\r",
    "network trash folder",
    "temporary items",
    "lost+found", // file systems of Linux
    "zbthumbnail.info",
    "_gsdata_", // GoodSync
    "__pycache__",
];

/// Ends of the names of litter files, in lower case: streams of Windows, editors' copies, unfinished downloads,
/// placeholders of files that are elsewhere. A folder with such a name is no litter but a class.
const ENDS: [&str; 16] = [
    ":zone.identifier",
    ".zone.identifier",
    "@synoeastream",
    "@synoresource",
    "~",
    ".part",
    ".partial",
    ".filepart",
    ".crdownload",
    ".opdownload",
    ".download",
    ".aria2",
    ".icloud",
    ".tmp",
    ".swp",
    ".lnk",
];

/// Separators between the name of a file and that of its stream: the colon, and its substitute on systems that
/// allow no colon in names.
const STREAM: [char; 2] = [':', '\u{f03a}'];

/// Whether a name is that of a file or of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    File,
    Folder,
}

impl Thing {
    /// The kind of thing at a path: everything that is no folder counts as a file.
    pub(super) fn at(path: &Path) -> Self {
        if path.is_dir() { Self::Folder } else { Self::File }
    }
}

/// The kind of litter that a file or folder is by its name: its own name, or the part that such names have in
/// common. Hidden things (`._x`, `.DS_Store`, `.git`, `.Trash-1000`) are litter to a data set.
pub(super) fn kind(name: &str, of: Thing) -> Option<&str> {
    let small = name.to_lowercase();
    if small.starts_with('.') {
        return Some(if small.starts_with("._") { "._*" } else { ".*" });
    }
    if small.starts_with("~$") {
        return Some("~$*");
    }
    if NAMES.contains(&small.as_str()) {
        return Some(name);
    }
    if of == Thing::Folder {
        return None;
    }
    if let Some(end) = ENDS.iter().find(|end| small.ends_with(*end)) {
        return Some(end);
    }
    let (file, _) = name.split_once(STREAM)?;
    let streams = decode::is_named_image(Path::new(file)) || kind(file, of).is_some();
    streams.then(|| &name[file.len()..])
}

/// Whether a file with a path such as `a/b/file` is litter or lies in a folder that is litter.
pub(super) fn is_on_the_way(path: &str) -> bool {
    let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
    let litter = |name: &str, of| !name.is_empty() && kind(name, of).is_some();
    folders.split('/').any(|folder| litter(folder, Thing::Folder)) || litter(file, Thing::File)
}

/// Litter that was passed over: how many files and folders of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Litter(BTreeMap<String, usize>);

impl Litter {
    /// Counts a name if it is litter, and says whether it is.
    pub(super) fn takes(&mut self, name: &str, of: Thing) -> bool {
        let kind = kind(name, of);
        if let Some(kind) = kind {
            *self.0.entry(kind.trim_end().into()).or_default() += 1;
        }
        kind.is_some()
    }

    /// One line for the user, if there was any.
    pub(super) fn line(&self) -> Option<String> {
        let all: usize = self.0.values().sum();
        let kinds: Vec<_> = self.0.iter().map(|(kind, n)| format!("{kind} ({n})")).collect();
        (all > 0).then(|| {
            let kinds = kinds.join(", ");
            format!("passed over {all} files and folders that systems leave behind: {kinds}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn litter_is_known_by_its_name_and_images_are_not() {
        for name in [
            "@eaDir",
            "Thumbs.db",
            "ehthumbs.db",
            "Desktop.ini",
            "$RECYCLE.BIN",
            "System Volume Information",
            "__MACOSX",
            "._a.jpg",
            ".DS_Store",
            ".Trash-1000",
            ".git",
            ".ipynb_checkpoints",
            ".nfs0001",
            ".fuse_hidden0001",
            ".picasa.ini",
            "Picasa.ini",
            ".thumbnails",
            "lost+found",
            "Icon\r",
            "a.jpg:Zone.Identifier",
            "a.jpg~",
            "a.jpg.part",
            "a.jpg.crdownload",
            "~$a.png",
            "#recycle",
            "@Recycle",
            "Thumbs.db:encryptable",
            "a.jpg\u{f03a}Zone.Identifier",
            "a.jpg:com.dropbox.attributes",
            "a.png:Zone.Identifier:$DATA",
            "_gsdata_",
            "AlbumThumbs.db",
            "a.jpg.icloud",
            "a.jpg@SynoEAStream",
            "FOUND.000",
        ] {
            assert!(kind(name, Thing::File).is_some(), "{name}");
        }
        // Only files are half written: a class folder may have such a name.
        for (name, folder) in [
            ("cats~", false),
            ("tmp.tmp", false),
            ("engine.part", false),
            ("press.download", false),
            ("a.jpg:b", false),
            ("@eaDir", true),
            ("_gsdata_", true),
            (".git", true),
        ] {
            assert!(kind(name, Thing::File).is_some(), "{name}");
            assert_eq!(kind(name, Thing::Folder).is_some(), folder, "{name}");
        }
        assert_eq!(kind("a.jpg:Zone.Other", Thing::File), Some(":Zone.Other"));
        for (path, litter) in [
            ("0/a.ppm", false),
            ("x.part/a.ppm", false),
            ("", false),
            ("0/@eaDir/0.ppm/T.jpg", true),
            ("__MACOSX/a.ppm", true),
            ("0/._a.ppm", true),
        ] {
            assert_eq!(is_on_the_way(path), litter, "{path}");
        }
        for name in [
            "a.jpg", "cat", "0", "Part", "thumbs", "macosx", "eaDir", "x.bmp", "a~b.png", "lost",
            "3:4", "3:4.png",
        ] {
            assert_eq!(kind(name, Thing::File), None);
        }
        let mut litter = Litter::default();
        assert_eq!(litter.line(), None);
        let taken = ["@eaDir", "._a", "._b", "cat", "Thumbs.db"]
            .map(|name| litter.takes(name, Thing::File));
        assert_eq!(taken, [true, true, true, false, true]);
        assert_eq!(
            litter.line().unwrap(),
            "passed over 4 files and folders that systems leave behind: ._* (2), @eaDir (1), Thumbs.db (1)"
        );
    }
}
