//! Checks the paths that a command reads and writes: no output may replace an input or another output, and
//! all outputs must be writable before the work begins.

mod spot;

use crate::{
    error::{Error, Result},
    files::atomic,
    train::FaultArgs,
};
use spot::{Id, Spot, SpotKey};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A flag (or another name that the user knows) and a path that it gives.
type NamedPath = (&'static str, PathBuf);

/// The paths that a command reads and writes.
#[derive(Debug, Default)]
pub(crate) struct Places {
    inputs: Vec<NamedPath>,
    outputs: Vec<NamedPath>,
    made: Vec<NamedPath>,
    folders: Vec<NamedPath>,
}

/// Pairs of `flag` and each of its paths, of which there may be none.
fn named<P: AsRef<Path>>(
    flag: &'static str,
    paths: impl IntoIterator<Item = P>,
) -> impl Iterator<Item = NamedPath> {
    paths.into_iter().map(move |path| (flag, path.as_ref().to_owned()))
}

impl Places {
    /// Adds files that are read, and folders all of whose files are read.
    pub(crate) fn reads<P: AsRef<Path>>(
        mut self,
        flag: &'static str,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        self.inputs.extend(named(flag, paths));
        self
    }

    /// Adds the files that faults are read from.
    pub(crate) fn reads_faults(self, faults: &FaultArgs) -> Result<Self> {
        Ok(self
            .reads("--faults", faults.pattern_file())
            .reads("--fault-map", faults.map_files()?)
            .reads("--layout", &faults.layout))
    }

    /// Adds files that are written.
    pub(crate) fn writes<P: AsRef<Path>>(
        mut self,
        flag: &'static str,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        self.outputs.extend(named(flag, paths));
        self
    }

    /// Adds files and folders that are written, where a folder may have to be made first.
    pub(crate) fn makes<P: AsRef<Path>>(
        mut self,
        flag: &'static str,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        self.made.extend(named(flag, paths));
        self
    }

    /// Adds a folder, which may have to be made first, and files that are written into it. Several flags may
    /// name the same folder.
    pub(crate) fn fills(mut self, flag: &'static str, folder: &Path, files: Vec<PathBuf>) -> Self {
        self.folders.push((flag, folder.to_owned()));
        // In a folder that is there, the files are written at once.
        if folder.is_dir() { self.writes(flag, files) } else { self.makes(flag, files) }
    }

    /// Checks that no output replaces an input or another output, and that all can be written.
    pub(crate) fn check(&self) -> Result<()> {
        let mut taken = Taken::default();
        for (flag, path) in &self.inputs {
            if path.is_dir() {
                taken.folders.extend(spot::id(path).map(|id| (id, (*flag, path.as_path()))));
            } else {
                taken.files.extend(spot::key(path).map(|key| (key, *flag)));
            }
        }
        self.outputs
            .iter()
            .chain(&self.made)
            .try_for_each(|(flag, path)| taken.take(flag, path))?;
        self.folders.iter().try_for_each(|(flag, path)| taken.leaves(flag, path))?;
        self.outputs.iter().try_for_each(|(_, path)| atomic::check(path))
    }
}

/// Whether two paths lead to the same place.
pub(crate) fn same(one: &Path, other: &Path) -> bool {
    let key = |path| Spot::of(path).map(|spot| spot.key);
    key(one).is_some_and(|one| key(other) == Some(one))
}

/// The places that are read or written already.
#[derive(Default)]
struct Taken<'a> {
    files: BTreeMap<SpotKey, &'static str>,
    /// The keys of outputs in lower case, for file systems that ignore case.
    folded: BTreeMap<SpotKey, &'static str>,
    folders: BTreeMap<Id, (&'static str, &'a Path)>,
}

impl Taken<'_> {
    /// Checks that a folder is not the place of a file.
    fn leaves(&self, flag: &'static str, folder: &Path) -> Result<()> {
        let shown = folder.display();
        if let Some(other) = spot::key(folder).and_then(|key| self.files.get(&key)) {
            let what = format!("{shown} is already {other}");
            return Err(Error::argument(flag, what, "give it a file of its own, or a folder"));
        }
        match folder.metadata() {
            Ok(there) if !there.is_dir() => {
                Err(Error::argument(flag, format!("{shown} is no folder"), "name a folder"))
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, flag: &'static str, path: &Path) -> Result<()> {
        // A device such as `/dev/null` keeps nothing, so any number of outputs may go there.
        let Some(spot) = Spot::of(path) else { return Ok(()) };
        let refuse = |what: String| Err(Error::argument(flag, what, "give it a file of its own"));
        let above = || spot.folders().find_map(|folder| self.folders.get(&spot::id(folder)?));
        if let Some((other, folder)) = above() {
            let (path, folder) = (path.display(), folder.display());
            return refuse(format!("{path} lies in {folder}, whose files {other} reads"));
        }
        let folded = spot.folded();
        let same = self.files.get(&spot.key).copied();
        let alike = self.folded.get(&folded).copied().filter(|_| spot.ignores_case());
        match same.or(alike) {
            Some(other) if other == flag => {
                return refuse(format!("two files would be {}", path.display()));
            }
            Some(other) => return refuse(format!("{} is already {other}", path.display())),
            None => {}
        }
        self.files.insert(spot.key, flag);
        self.folded.insert(folded, flag);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn says(places: &Places) -> String {
        places.check().unwrap_err().to_string()
    }

    #[test]
    fn one_file_has_many_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::write(file("x"), "").unwrap();
        fs::create_dir(file("d")).unwrap();
        let reads = || Places::default().reads("--input", [file("x")]);
        let mut names = vec!["x", "./x", "d/../x"];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(file("x"), file("link")).unwrap();
            std::os::unix::fs::symlink(folder.path(), file("d/up")).unwrap();
            names.extend(["link", "d/up/x", "d/up/d/up/link"]);
        }
        fs::hard_link(file("x"), file("hard")).unwrap();
        names.push("hard");
        for name in names {
            let error = says(&reads().writes("--output", [file(name)]));
            assert!(
                error.starts_with("--output: ") && error.ends_with("already --input"),
                "{error}"
            );
            let error = says(&reads().makes("--out", [file(name)]));
            assert!(error.ends_with("already --input"), "{error}");
        }
        for name in ["d/../y", "./y"] {
            let both = Places::default().writes("--output", [file("y")]);
            assert!(says(&both.writes("--grads", [file(name)])).contains("already --output"));
        }
        let twice = Places::default().makes("--out", [file("no/y"), file("no/../no/y")]);
        assert!(says(&twice).contains("two files would be"));
        let apart = [file("y"), file("z"), file("d/x")];
        reads().writes("--output", apart).writes("--after", None::<PathBuf>).check().unwrap();
        reads().makes("--out", [file("no/x"), file("no/d/x")]).check().unwrap();
        let missing = Places::default().writes("--output", [file("no/y")]);
        assert!(matches!(missing.check(), Err(Error::Write { .. })));
    }

    #[test]
    fn a_folder_that_is_read_takes_no_output() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::create_dir_all(file("set/train/a")).unwrap();
        let reads = || Places::default().reads("--dataset", [file("set/train")]);
        for name in ["set/train/a/x.png", "set/train/x", "set/train/b/c/x", "set/train"] {
            let error = says(&reads().makes("--out", [file(name)]));
            assert!(error.contains("whose files --dataset reads"), "{name}: {error}");
        }
        reads().makes("--out", [file("set/x"), file("x"), file("set/trains/x")]).check().unwrap();
    }

    #[test]
    fn a_folder_that_is_filled_replaces_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::create_dir(file("d")).unwrap();
        ["x", "y"].iter().for_each(|name| fs::write(file(name), "").unwrap());
        let reads = || Places::default().reads("RUN", [file("x"), file("d/r.svg")]);
        let fills = |places: Places, flag, dir: &str, name: &str| {
            places.fills(flag, &file(dir), vec![file(dir).join(name)])
        };
        for (dir, name, refusal) in [
            ("x", "a.svg", "is already RUN"),
            ("d/../x", "a.svg", "is already RUN"),
            ("y", "a.svg", "is no folder"),
            ("d", "r.svg", "is already RUN"),
        ] {
            let error = says(&fills(reads(), "--svg", dir, name));
            assert!(error.contains(refusal), "{dir}: {error}");
        }
        let out = || Places::default().writes("--out", [file("new")]);
        assert!(says(&fills(out(), "--svg", "new", "a.svg")).contains("is already --out"));
        let both = fills(fills(reads(), "--svg", "d", "a.svg"), "--csv", "d", "a.csv");
        fills(both, "--more", "none/yet", "a.csv").check().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nothing_is_the_place_that_it_leads_to() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::create_dir(file("d")).unwrap();
        for (to, from) in [
            (PathBuf::from("nowhere"), "one"),
            (file("d/../one"), "d/two"),
            ("gone".into(), "folder"),
            ("round".into(), "circle"),
            ("circle".into(), "round"),
        ] {
            symlink(to, file(from)).unwrap();
        }
        for (a, b) in
            [("one", "nowhere"), ("nowhere", "one"), ("d/two", "one"), ("d/two", "nowhere")]
        {
            let both = Places::default().writes("--out", [file(a)]).writes("--logits", [file(b)]);
            assert!(says(&both).contains("already --out"), "{a} {b}");
            let read = Places::default().reads("--layout", [file(a)]).makes("--out", [file(b)]);
            assert!(says(&read).contains("already --layout"), "{a} {b}");
        }
        let both = Places::default().makes("--out", [file("folder/x"), file("gone/d/../x")]);
        assert!(says(&both).contains("two files would be"));
        Places::default()
            .writes("--out", [file("one")])
            .writes("--logits", [file("d/x")])
            .check()
            .unwrap();
        let round = Places::default().writes("--out", [file("circle")]);
        assert!(matches!(round.check(), Err(Error::Write { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn what_keeps_nothing_may_be_named_twice() {
        let null = || [PathBuf::from("/dev/null")];
        Places::default().reads("--a", null()).writes("--b", null()).check().unwrap();
        Places::default().writes("--a", null()).writes("--b", null()).check().unwrap();
    }
}
