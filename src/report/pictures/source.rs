//! The sources of a page: run folders and documents of `nf-gpu eval`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    error::{Error, Result},
    files::sha256_of,
    report::documents::{
        eval_json::{Evaluation, VERSION},
        event::Event,
        jsonl,
    },
    words,
};

/// A run folder or a document of evaluations, read completely.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Name of the folder or file.
    pub(crate) name: String,
    /// Path of the folder or file.
    pub(crate) path: PathBuf,
    /// Whether the source is a run folder.
    pub(crate) folder: bool,
    /// Files that were read, and their SHA-256.
    pub(crate) files: Vec<(String, String)>,
    /// The evaluations.
    pub(crate) evaluations: Vec<Evaluation>,
    /// Steps and evaluations of a training.
    pub(crate) events: Vec<Event>,
    /// Unix times of the first and the last event.
    pub(crate) times: Option<(f64, f64)>,
    /// Content of `images.png`.
    pub(crate) picture: Option<Vec<u8>>,
    /// Content of `config.toml`.
    pub(crate) config: Option<String>,
    /// The adapter from `state.json`, for a run that was not evaluated.
    pub(crate) adapter: Option<String>,
}

/// Names of the files in a run folder.
const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const EVAL: &str = "eval.json";
const IMAGES: &str = "images.png";
const STATE: &str = "state.json";

impl Source {
    /// A source for evaluations that are not in a file.
    pub fn new(name: impl Into<String>, evaluations: Vec<Evaluation>) -> Self {
        Self { name: name.into(), evaluations, ..Self::default() }
    }

    /// Reads a run folder, or a document that `nf-gpu eval --out` (or `--json`) wrote. Any file of the folder
    /// may be missing, as in an interrupted run.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Format`] for a folder that does not hold a run, and for files whose content
    /// does not match their names.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if fs::metadata(path).map_err(|e| Error::read(path, e))?.is_dir() {
            return Self::run(path);
        }
        let mut source = Self { name: name(path), path: path.to_owned(), ..Self::default() };
        source.evaluations = evaluations(path, &source.read(path)?.unwrap_or_default())?;
        Ok(source)
    }

    /// Reads several sources. Those that share a name get their whole paths for names.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_all<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Vec<Self>> {
        let mut sources = paths.into_iter().map(Self::load).collect::<Result<Vec<_>>>()?;
        let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
        for source in &mut sources {
            if names.iter().filter(|name| **name == source.name).count() > 1 {
                source.name = words::path(&source.path);
            }
        }
        Ok(sources)
    }

    fn run(root: &Path) -> Result<Self> {
        let mut run =
            Self { name: name(root), path: root.to_owned(), folder: true, ..Self::default() };
        let file = |name: &str| root.join(name);
        run.config = run.read(&file(CONFIG))?.map(|text| text_of(&text));
        if let Some(text) = &run.config {
            text.parse::<toml::Table>().map_err(|e| {
                Error::format(file(CONFIG), e.message(), "restore the file that `train` wrote")
            })?;
        }
        if run.read(&file(METRICS))?.is_some() {
            let lines = jsonl::load(file(METRICS))?;
            run.times = lines.first().map(|l| l.time).zip(lines.last().map(|l| l.time));
            run.events = lines.into_iter().filter_map(|line| line.event).collect();
        }
        if let Some(text) = run.read(&file(EVAL))? {
            run.evaluations = evaluations(&file(EVAL), &text)?;
        }
        if run.files.is_empty() {
            return Err(no_run(root));
        }
        run.picture = run.read(&file(IMAGES))?;
        if run.picture.as_ref().is_some_and(|p| !p.starts_with(b"\x89PNG\r\n\x1a\n")) {
            let hint = "delete it: the page is then made without pictures";
            return Err(Error::format(file(IMAGES), "it is no PNG picture", hint));
        }
        // The state is read only for the adapter's name, so a fault in it is no reason to refuse
        // the run.
        let state = fs::read(file(STATE)).ok();
        let state = state.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        run.adapter = state.and_then(|s| Some(s.get("adapter")?.as_str()?.to_owned()));
        Ok(run)
    }

    /// Reads a file if it exists, and records its hash.
    fn read(&mut self, path: &Path) -> Result<Option<Vec<u8>>> {
        match fs::read(path) {
            Ok(bytes) => {
                self.files.push((name(path), sha256_of(&bytes)));
                Ok(Some(bytes))
            }
            Err(e) if self.folder && e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::read(path, e)),
        }
    }

    /// Whether `path` is one of the files from which the page is made.
    pub(crate) fn reads(&self, path: &Path) -> bool {
        let Ok(path) = fs::canonicalize(path) else {
            return false;
        };
        let own = self.files.iter().map(|(name, _)| match self.folder {
            true => self.path.join(name),
            false => self.path.clone(),
        });
        own.into_iter().any(|p| fs::canonicalize(p).is_ok_and(|p| p == path))
    }

    /// The default path of the page: in the run's folder, or beside the document with the same name.
    pub fn page(&self) -> PathBuf {
        if self.folder { self.path.join("report.html") } else { self.path.with_extension("html") }
    }
}

/// The last part of a path; for `.` that of the current folder.
fn name(path: &Path) -> String {
    let last = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
    last(path)
        .or_else(|| last(&fs::canonicalize(path).ok()?))
        .unwrap_or_else(|| path.display().to_string())
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn no_run(root: &Path) -> Error {
    let mut inside: Vec<String> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|p| [CONFIG, EVAL].iter().any(|file| p.join(file).is_file()))
        .map(|p| p.display().to_string())
        .collect();
    inside.sort();
    inside.truncate(3);
    let hint = match inside.is_empty() {
        true => "name the folder that `nf-gpu train --out` made".into(),
        false => format!("name the runs in it: {}", inside.join(" ")),
    };
    let what = format!("no run is here: neither {CONFIG} nor {METRICS} nor {EVAL}");
    Error::format(root, what, hint)
}

/// Parses the evaluations of a document.
fn evaluations(path: &Path, bytes: &[u8]) -> Result<Vec<Evaluation>> {
    let wrong = |what: String| {
        Error::format(path, what, "give a run folder, or what `nf-gpu eval --out` wrote")
    };
    // Parsing in two steps gives a useful message: an untagged enum would not say what is wrong.
    let mut value: Value =
        serde_json::from_slice(bytes).map_err(|e| wrong(format!("it is not JSON: {e}")))?;
    let one = |value: Value| -> Result<Evaluation> {
        let version = value.get("version").and_then(Value::as_u64);
        if version.is_some_and(|v| v > u64::from(VERSION)) {
            let what = format!("it has version {}, this is {VERSION}", version.unwrap_or(0));
            return Err(Error::format(path, what, "use the nf-gpu that wrote it, or a newer one"));
        }
        serde_json::from_value(value).map_err(|e| wrong(format!("it is no evaluation: {e}")))
    };
    match value.get_mut("runs").map(Value::take) {
        Some(Value::Array(runs)) if runs.is_empty() => Err(wrong("it holds no evaluation".into())),
        Some(Value::Array(runs)) => runs.into_iter().map(one).collect(),
        Some(_) => Err(wrong("its \"runs\" is no list".into())),
        None => Ok(vec![one(value)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::documents::eval_json::{Document, sample};

    #[test]
    fn sources_of_one_name_are_told_by_their_paths() {
        let root = tempfile::tempdir().unwrap();
        let paths = ["x/a.json", "y/a.json", "y/b.json"].map(|name| root.path().join(name));
        for path in &paths {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            Document::new(vec![sample()]).save(path).unwrap();
        }
        let names = Source::load_all(&paths).unwrap().into_iter().map(|source| source.name);
        let names: Vec<String> = names.collect();
        let whole = |i: usize| words::path(&paths[i]);
        assert_eq!(names, [whole(0), whole(1), "b.json".to_owned()]);
    }

    #[test]
    fn documents_of_one_and_of_several_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("two.json");
        Document::new(vec![sample(), sample()]).save(&path).unwrap();
        let source = Source::load(&path).unwrap();
        assert_eq!((source.name.as_str(), source.evaluations.len()), ("two.json", 2));
        assert_eq!(source.page(), folder.path().join("two.html"));
        assert!(source.reads(&path) && !source.reads(folder.path()));
        Document::new(vec![sample()]).save(&path).unwrap();
        assert_eq!(Source::load(&path).unwrap().evaluations, [sample()]);
        assert_eq!(Source::load(&path).unwrap().files[0].1.len(), 64);
    }

    #[test]
    fn a_run_may_be_unfinished_but_not_broken() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let refused = |says: &str| {
            let error = crate::error::report(&Source::load(root).unwrap_err());
            assert!(error.contains(says) && error.contains("hint"), "{error}");
        };
        refused("no run is here");
        fs::create_dir(root.join("a")).unwrap();
        fs::write(root.join("a/config.toml"), "").unwrap();
        refused("name the runs in it");
        fs::write(root.join(CONFIG), "generator = \"UNetS\"\n").unwrap();
        let run = Source::load(root).unwrap();
        assert!(run.folder && run.evaluations.is_empty() && run.picture.is_none());
        assert_eq!(run.page(), root.join("report.html"));
        for (file, text, says) in [
            (CONFIG, "generator = ", "config.toml"),
            (METRICS, "no json\n", "line 1 is damaged"),
            (EVAL, "{", "it is not JSON"),
            (EVAL, "{\"runs\": []}", "no evaluation"),
            (EVAL, "{\"runs\": 1}", "no list"),
            (EVAL, "{\"version\": 1}", "missing field `adapter`"),
            (EVAL, "{\"version\": 2}", "version 2"),
            (IMAGES, "text", "no PNG"),
        ] {
            let path = root.join(file);
            let before = fs::read(&path).ok();
            fs::write(&path, text).unwrap();
            refused(says);
            before.map_or_else(|| fs::remove_file(&path), |b| fs::write(&path, b)).unwrap();
        }
    }
}
