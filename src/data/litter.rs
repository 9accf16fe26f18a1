//! What systems and programs leave behind in folders: neither images nor anything that the user put there.

use std::collections::BTreeMap;

/// Whole names, in small letters.
const NAMES: [&str; 18] = [
    "@eadir", // Synology: thumbnails that end in .jpg
    "@tmp",
    "#recycle",
    "#snapshot",
    "thumbs.db", // Windows
    "ehthumbs.db",
    "ehthumbs_vista.db",
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
    "__pycache__",
];

/// Ends of names, in small letters: streams of Windows, editors' copies, downloads that were never finished.
const ENDS: [&str; 10] = [
    ":zone.identifier",
    ".zone.identifier",
    "~",
    ".part",
    ".partial",
    ".crdownload",
    ".download",
    ".tmp",
    ".swp",
    ".lnk",
];

/// The kind of litter that a name says a file or folder is: its own name, or what all such names have in
/// common. Hidden things (`._x`, `.DS_Store`, `.git`, `.Trash-1000`) are litter to a data set.
pub(super) fn kind(name: &str) -> Option<&str> {
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
    ENDS.iter().find(|end| small.ends_with(*end)).copied()
}

/// Litter that was passed over: how many files and folders of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Litter(BTreeMap<String, usize>);

impl Litter {
    /// Counts a name if it is litter, and says whether it is.
    pub(super) fn takes(&mut self, name: &str) -> bool {
        let kind = kind(name);
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
        ] {
            assert!(kind(name).is_some(), "{name}");
        }
        for name in
            ["a.jpg", "cat", "0", "Part", "thumbs", "macosx", "eaDir", "x.bmp", "a~b.png", "lost"]
        {
            assert_eq!(kind(name), None);
        }
        let mut litter = Litter::default();
        assert_eq!(litter.line(), None);
        let taken = ["@eaDir", "._a", "._b", "cat", "Thumbs.db"].map(|name| litter.takes(name));
        assert_eq!(taken, [true, true, true, false, true]);
        assert_eq!(
            litter.line().unwrap(),
            "passed over 4 files and folders that systems leave behind: ._* (2), @eaDir (1), Thumbs.db (1)"
        );
    }
}
