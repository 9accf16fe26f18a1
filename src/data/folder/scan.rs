//! Which images a folder holds, and of which class.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    data::{classes, decode, image_set::Split},
    error::{Error, Result},
};

/// Folders within a class folder are looked into so far, and no farther: a link may lead in a
/// circle.
const DEPTH: u32 = 8;
const LAYOUT: &str =
    "a folder data set is PATH/train/CLASS/IMAGE and PATH/test/CLASS/IMAGE (or val for test)";

/// The images of a split, not yet read.
pub(in crate::data) struct Scan {
    /// The folder that the user named.
    pub(in crate::data) top: PathBuf,
    pub(in crate::data) split: Split,
    /// The split's folder.
    pub(in crate::data) root: PathBuf,
    /// Names of the class folders, in the order of their labels.
    pub(in crate::data) classes: Vec<String>,
    /// Path relative to `root`, with `/`, and class: by class, then by path.
    pub(in crate::data) images: Vec<(String, u16)>,
}

impl Scan {
    /// Looks through a split's folder, and at the class folders of the other split.
    pub(in crate::data) fn of(top: &Path, split: Split) -> Result<Self> {
        let root = root(top, split).ok_or_else(|| {
            let wanted = match split {
                Split::Train => "train",
                Split::Test => "test or val",
            };
            Error::format(top, format!("there is no folder {wanted} in it"), LAYOUT)
        })?;
        let classes = classes(&root)?;
        let other = match split {
            Split::Train => Split::Test,
            Split::Test => Split::Train,
        };
        if let Some(other) = self::root(top, other) {
            same_classes(&root, &classes, &other, &self::classes(&other)?)?;
        }
        let mut images = Vec::new();
        for (label, class) in classes.iter().enumerate() {
            let label = u16::try_from(label)
                .map_err(|_| Error::format(&root, "more than 65,536 class folders", LAYOUT))?;
            let folder = root.join(class);
            let mut found = Vec::new();
            collect(&folder, class, DEPTH, &mut found)?;
            if found.is_empty() {
                let hint = format!(
                    "put images ({}) into it, or remove the class from all splits",
                    decode::ENDINGS.join(", ")
                );
                return Err(Error::format(folder, "this class folder holds no image", hint));
            }
            found.sort_unstable();
            images.extend(found.into_iter().map(|name| (name, label)));
        }
        Ok(Self { top: top.into(), split, root, classes, images })
    }

    /// The name of the data set: that of the folder.
    pub(in crate::data) fn name(&self) -> String {
        let full = fs::canonicalize(&self.top).unwrap_or_else(|_| self.top.clone());
        full.file_name().unwrap_or(full.as_os_str()).to_string_lossy().into_owned()
    }

    /// Where image `i` is.
    pub(in crate::data) fn path(&self, i: usize) -> PathBuf {
        self.root.join(&self.images[i].0)
    }

    /// Images of each class.
    pub(in crate::data) fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for (_, label) in &self.images {
            counts[usize::from(*label)] += 1;
        }
        counts
    }
}

/// The folder of a split. Where both `test` and `val` are, `test` it is.
fn root(top: &Path, split: Split) -> Option<PathBuf> {
    let names: &[&str] = match split {
        Split::Train => &["train"],
        Split::Test => &["test", "val"],
    };
    names.iter().map(|name| top.join(name)).find(|path| path.is_dir())
}

/// What is in a folder: name, path, is it a folder. Hidden things are not there.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf, bool)>> {
    let reading = |e| Error::read(folder, e);
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(reading)? {
        let path = entry.map_err(reading)?.path();
        let name = path.file_name().unwrap_or_default();
        let Some(name) = name.to_str().map(ToOwned::to_owned) else {
            return Err(Error::format(&path, "its name is not valid UTF-8", "rename it"));
        };
        if !name.starts_with('.') {
            let is_folder = path.is_dir();
            all.push((name, path, is_folder));
        }
    }
    Ok(all)
}

/// Names of the class folders, in the order of their labels.
fn classes(root: &Path) -> Result<Vec<String>> {
    let mut classes = Vec::new();
    for (name, path, is_folder) in entries(root)? {
        if is_folder {
            classes.push(name);
        } else if !is_note(&path) {
            return Err(Error::format(path, "a file among the class folders", LAYOUT));
        }
    }
    if classes.is_empty() {
        return Err(Error::format(root, "there is no class folder in it", LAYOUT));
    }
    classes::sort(&mut classes);
    Ok(classes)
}

/// Appends the images in `folder` and below, by their paths relative to the split's folder.
fn collect(folder: &Path, name: &str, depth: u32, images: &mut Vec<String>) -> Result<()> {
    if depth == 0 {
        return Err(Error::format(folder, "folders within folders without end", LAYOUT));
    }
    for (file, path, is_folder) in entries(folder)? {
        let name = format!("{name}/{file}");
        if is_folder {
            collect(&path, &name, depth - 1, images)?;
        } else if decode::is_named_image(&path) {
            images.push(name);
        } else if !is_note(&path) {
            let hint = format!("move it away; images end in {}", decode::ENDINGS.join(", "));
            return Err(Error::format(path, "not an image, in a class folder", hint));
        }
    }
    Ok(())
}

/// Lists and read-me files may lie beside images.
fn is_note(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str());
    ending.is_some_and(|e| e.eq_ignore_ascii_case("txt") || e.eq_ignore_ascii_case("csv"))
}

fn same_classes(root: &Path, ours: &[String], other: &Path, theirs: &[String]) -> Result<()> {
    for (there, these, absent, those) in [(root, ours, other, theirs), (other, theirs, root, ours)]
    {
        if let Some(class) = these.iter().find(|class| !those.contains(class)) {
            let what = format!("there is no class {class} in {}", absent.display());
            let hint = "every split has the same class folders: add the missing one, or remove it";
            return Err(Error::format(there.join(class), what, hint));
        }
    }
    Ok(())
}
