//! Finds the images that a folder holds, and their classes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{layout, listed, some_of, unlabelled};
use crate::{
    data::{
        classes, decode,
        image_set::{LabelsFrom, Split},
        litter::{Litter, Thing},
    },
    error::{Error, Result},
};

/// Depth to which folders within a class folder are searched. It is limited because links may lead in a circle.
const DEPTH: u32 = 8;

/// The images of a split, not yet read.
pub(in crate::data) struct Scan {
    /// The folder that the user named.
    pub(in crate::data) top: PathBuf,
    pub(in crate::data) split: Split,
    /// The split's folder.
    pub(in crate::data) root: PathBuf,
    /// Names of the class folders, in the order of their labels.
    pub(in crate::data) classes: Vec<String>,
    /// Whether the images lie in class folders; where they do not, there is one class of all.
    pub(in crate::data) labelled: bool,
    /// How the images of one folder are divided, where both splits share it.
    pub(in crate::data) held_out: Option<unlabelled::HeldOut>,
    /// Path relative to `root`, with `/`, and class of each image; sorted by class, then by path.
    pub(in crate::data) images: Vec<(String, u16)>,
    /// Files and folders that systems leave behind, which are ignored.
    pub(in crate::data) litter: Litter,
    /// Lists and read-me files, which are ignored.
    pub(in crate::data) notes: Vec<PathBuf>,
    /// Files and folders that are wrong, each with a hint.
    pub(in crate::data) problems: Vec<Problem>,
}

/// A file or folder that is not as it should be.
pub(in crate::data) struct Problem {
    pub(in crate::data) path: PathBuf,
    pub(in crate::data) what: String,
    pub(in crate::data) hint: String,
}

impl Scan {
    /// Scans a split's folder, and compares its class folders with those of the other split. The first problem
    /// is an error.
    pub(in crate::data) fn of(top: &Path, split: Split) -> Result<Self> {
        let scan = Self::look(top, split)?;
        let mut problems = scan.problems.iter();
        let Some(Problem { path, what, hint }) = problems.next() else { return Ok(scan) };
        let named = |p: &Problem| p.path.strip_prefix(top).unwrap_or(&p.path).display().to_string();
        let others: Vec<_> = problems.filter(|p| p.what == *what).map(named).collect();
        let more = match &others[..] {
            [] => String::new(),
            others => format!("; so it is with {}", some_of(others)),
        };
        Err(Error::format(path, format!("{what}{more}"), hint))
    }

    /// Like [`Scan::of`], but problems with single files and folders are listed in `problems`.
    ///
    /// # Errors
    /// The folder does not consist of class folders, or its splits have different classes.
    pub(in crate::data) fn look(top: &Path, split: Split) -> Result<Self> {
        if unlabelled::is_unlabelled(top) {
            return Self::unlabelled(top, split);
        }
        let root = layout::root(top, split)?;
        let list = listed::file(top);
        let mut scan = Self::at(top, split, root.clone());
        if let (Split::Test, Some(list)) = (split, &list) {
            let train = layout::root(top, Split::Train)?;
            scan.classes = scan.classes(&train)?;
            scan.images = listed::images(list, &root, &scan.classes)?;
            return Ok(scan);
        }
        scan.classes = scan.classes(&root)?;
        let other = match split {
            Split::Train => Split::Test,
            Split::Test => Split::Train,
        };
        if let (Ok(other), None) = (layout::root(top, other), list) {
            // Other problems of that split are reported when it is opened.
            let theirs = Self::at(top, split, other.clone()).classes(&other)?;
            same_classes(&root, &scan.classes, &other, &theirs)?;
        }
        for (label, class) in scan.classes.clone().iter().enumerate() {
            let label = u16::try_from(label).map_err(|_| {
                Error::format(&root, "more than 65,536 class folders", layout::LAYOUT)
            })?;
            let folder = root.join(class);
            let mut found = Vec::new();
            scan.collect(&folder, class, &mut found)?;
            if found.is_empty() {
                let hint = format!(
                    "put images ({}) into it, or remove the class from all splits",
                    decode::ENDINGS.join(", ")
                );
                scan.problem(folder, "this class folder holds no image", hint);
            }
            found.sort_unstable();
            scan.images.extend(found.into_iter().map(|name| (name, label)));
        }
        Ok(scan)
    }

    /// Looks through the images of a split that lie in no class folders.
    fn unlabelled(top: &Path, split: Split) -> Result<Self> {
        let (root, shared) = unlabelled::root(top, split)?;
        let mut scan = Self::at(top, split, root.clone());
        scan.classes = vec![unlabelled::NO_LABEL.into()];
        scan.labelled = false;
        let mut found = Vec::new();
        scan.collect(&root, "", &mut found)?;
        found.sort_unstable();
        if shared {
            scan.held_out = Some(unlabelled::HeldOut::divide(&root, split, &mut found)?);
        }
        scan.images = found.into_iter().map(|name| (name, 0)).collect();
        Ok(scan)
    }

    /// A scan that has found nothing yet.
    fn at(top: &Path, split: Split, root: PathBuf) -> Self {
        Self {
            top: top.into(),
            split,
            root,
            classes: Vec::new(),
            labelled: true,
            held_out: None,
            images: Vec::new(),
            litter: Litter::default(),
            notes: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// The name of the data set: that of the folder.
    pub(in crate::data) fn name(&self) -> String {
        let full = fs::canonicalize(&self.top).unwrap_or_else(|_| self.top.clone());
        full.file_name().unwrap_or(full.as_os_str()).to_string_lossy().into_owned()
    }

    /// Where the labels come from.
    pub(in crate::data) fn labels_from(&self) -> LabelsFrom {
        if self.labelled { LabelsFrom::DataSet } else { LabelsFrom::Nobody }
    }

    /// Path of image `i`.
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

    fn problem(&mut self, path: PathBuf, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem { path, what: what.into(), hint: hint.into() });
    }

    /// Entries of a folder: name, path, and whether it is a folder. Litter is counted and left out.
    fn entries(&mut self, folder: &Path) -> Result<Vec<(String, PathBuf, bool)>> {
        let reading = |e| Error::read(folder, e);
        let mut all = Vec::new();
        for entry in fs::read_dir(folder).map_err(reading)? {
            let path = entry.map_err(reading)?.path();
            let name = path.file_name().unwrap_or_default();
            let Some(name) = name.to_str().map(ToOwned::to_owned) else {
                self.problem(path, "its name is not valid UTF-8", "rename it");
                continue;
            };
            let thing = Thing::at(&path);
            if !self.litter.takes(&name, thing) {
                all.push((name, path, thing == Thing::Folder));
            }
        }
        // Sorted by name, so that messages do not depend on the file system's order.
        all.sort_unstable();
        Ok(all)
    }

    /// Names of the class folders, in the order of their labels.
    fn classes(&mut self, root: &Path) -> Result<Vec<String>> {
        let mut classes = Vec::new();
        for (name, path, is_folder) in self.entries(root)? {
            if is_folder {
                classes.push(name);
            } else if is_note(&path) {
                self.notes.push(path);
            } else {
                self.problem(path, "a file among the class folders", layout::LAYOUT);
            }
        }
        if classes.is_empty() {
            return Err(Error::format(root, "there is no class folder in it", layout::LAYOUT));
        }
        classes::sort(&mut classes);
        Ok(classes)
    }

    /// Appends the images in `folder` and below, by their paths relative to the split's folder, in which it
    /// is `name`.
    fn collect(&mut self, folder: &Path, name: &str, images: &mut Vec<String>) -> Result<()> {
        self.collect_within(folder, name, DEPTH, images)
    }

    fn collect_within(
        &mut self,
        folder: &Path,
        name: &str,
        depth: u32,
        images: &mut Vec<String>,
    ) -> Result<()> {
        if depth == 0 {
            return Err(Error::format(
                folder,
                "folders within folders without end",
                layout::LAYOUT,
            ));
        }
        for (file, path, is_folder) in self.entries(folder)? {
            let name = if name.is_empty() { file } else { format!("{name}/{file}") };
            if is_folder {
                self.collect_within(&path, &name, depth - 1, images)?;
            } else if decode::is_named_image(&path) {
                images.push(name);
            } else if is_note(&path) {
                self.notes.push(path);
            } else {
                let hint = format!(
                    "convert it, or move it away; images end in {}",
                    decode::ENDINGS.join(", ")
                );
                let what = match self.labelled {
                    true => "not an image, in a class folder",
                    false => "not an image, among the images",
                };
                self.problem(path, what, hint);
            }
        }
        Ok(())
    }
}

/// Whether a file is a list or a read-me file, which may lie beside images.
fn is_note(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str());
    ending.is_some_and(|e| {
        ["txt", "csv", "md", "json", "xml"].iter().any(|n| e.eq_ignore_ascii_case(n))
    })
}

fn same_classes(root: &Path, ours: &[String], other: &Path, theirs: &[String]) -> Result<()> {
    for (there, these, absent, those) in [(root, ours, other, theirs), (other, theirs, root, ours)]
    {
        let missing: Vec<_> =
            these.iter().filter(|class| !those.contains(class)).cloned().collect();
        if let Some((class, others)) = missing.split_first() {
            let mut what = format!("there is no class {class} in {}", absent.display());
            if !others.is_empty() {
                what += &format!(", nor {}", some_of(others));
            }
            let hint = "every split has the same class folders: add the missing one, or remove it";
            return Err(Error::format(there.join(class), what, hint));
        }
    }
    Ok(())
}
