//! Measurements of one adapter in a JSON file that a user can read, ship or delete.

use crate::{
    error::{Error, Result},
    files::{atomic, sha256_of},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Format of the file; a file of another format is replaced.
const FORMAT: &str = "nf-gpu-tuning-1";

/// Result of one candidate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Name of the candidate.
    pub name: String,
    /// Milliseconds of the trial: a median, or a single run where that was clearly slower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<f64>,
    /// Why the candidate must not be used: it does not compile, or its results are wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// The answer to one question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TuningEntry {
    /// Digest of the shaders that were compared; with other shaders the question is open again.
    pub sources: String,
    /// The candidate to use.
    pub choice: String,
    /// All candidates that were compared.
    pub tried: Vec<Tried>,
}

/// The file's contents.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct TuningFile {
    format: String,
    /// Name, backend and driver of the adapter.
    adapter: String,
    entries: BTreeMap<String, TuningEntry>,
}

/// What was measured on one adapter, in memory and, if it has a path, in a file.
#[derive(Clone, Debug, Default)]
pub struct Store {
    path: Option<PathBuf>,
    table: TuningFile,
}

impl Store {
    /// An empty store without a file.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// The measurements in a file, none if the file does not exist; and what is wrong with the file,
    /// which is then ignored and later replaced.
    pub fn open(path: PathBuf, adapter: &str) -> (Self, Option<String>) {
        let (found, problem) = match load(&path, adapter) {
            Ok(found) => (found, None),
            Err(what) => (None, Some(format!("{} is not used: {what}", path.display()))),
        };
        let empty = || TuningFile {
            format: FORMAT.into(),
            adapter: adapter.into(),
            ..TuningFile::default()
        };
        (Self { path: Some(path), table: found.unwrap_or_else(empty) }, problem)
    }

    /// Path of the file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Number of answered questions.
    pub fn len(&self) -> usize {
        self.table.entries.len()
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.table.entries.is_empty()
    }

    /// The answer to a question, if it was measured with these sources.
    pub fn get(&self, question: &str, sources: &str) -> Option<&TuningEntry> {
        self.table.entries.get(question).filter(|entry| entry.sources == sources)
    }

    /// Adds an answer in memory; [`Self::save`] writes it to the file.
    pub fn insert(&mut self, question: String, entry: TuningEntry) {
        self.table.entries.insert(question, entry);
    }

    /// Writes the file, merged with what other processes wrote there since it was read. Where they
    /// answered the same question for the same sources, their answer is taken, so that all processes
    /// agree.
    pub fn save(&mut self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        if let Ok(Some(there)) = load(path, &self.table.adapter) {
            for (question, theirs) in there.entries {
                let ours = self.table.entries.entry(question).or_insert_with(|| theirs.clone());
                if ours.sources == theirs.sources {
                    *ours = theirs;
                }
            }
        }
        make_folder(path)?;
        let text = serde_json::to_string_pretty(&self.table)
            .map_err(|e| Error::write(path, io::Error::other(e)))?;
        atomic::write(path, text + "\n")
    }
}

/// Reads the file's table; `None` if the file does not exist.
fn load(path: &Path, adapter: &str) -> std::result::Result<Option<TuningFile>, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.to_string()),
    };
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    // The format is checked first: another version's table need not have these fields.
    if value["format"] != FORMAT {
        return Err("another version of nf-gpu wrote it".into());
    }
    let table: TuningFile = serde_json::from_value(value).map_err(|e| e.to_string())?;
    if table.adapter != adapter {
        return Err(format!("it is about {}", table.adapter));
    }
    Ok(Some(table))
}

/// Makes the folder that a file is to be in.
pub(super) fn make_folder(file: &Path) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder).map_err(|e| Error::write(file, e))
}

/// A short digest of texts.
pub fn sources<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut all = String::new();
    for text in texts {
        all += text;
        all.push('\0');
    }
    sha256_of(all.as_bytes())[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sources: &str, choice: &str) -> TuningEntry {
        TuningEntry { sources: sources.into(), choice: choice.into(), tried: Vec::new() }
    }

    #[test]
    fn two_who_write_at_once_keep_each_others_entries() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/folder/t.json");
        let open = || {
            let (store, problem) = Store::open(path.clone(), "adapter");
            assert_eq!(problem, None);
            store
        };
        let (mut a, mut b) = (open(), open());
        a.insert("one".into(), entry("s", "x"));
        a.insert("both".into(), entry("s", "x"));
        a.insert("newer".into(), entry("old", "x"));
        b.insert("two".into(), entry("s", "y"));
        b.insert("both".into(), entry("s", "y"));
        b.insert("newer".into(), entry("new", "y"));
        a.save().unwrap();
        b.save().unwrap();
        let all = open();
        let choice = |question: &str, sources: &str| {
            all.get(question, sources).map(|entry| entry.choice.clone())
        };
        assert_eq!(all.len(), 4);
        assert_eq!((choice("one", "s"), choice("two", "s")), (Some("x".into()), Some("y".into())));
        // The first writer's answer stays; an answer for other shaders is replaced.
        assert_eq!(choice("both", "s"), Some("x".into()));
        assert_eq!((choice("newer", "new"), choice("newer", "old")), (Some("y".into()), None));
    }

    #[test]
    fn a_broken_or_foreign_file_is_ignored_with_a_line_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.json");
        let entries = |format: &str, adapter: &str| {
            format!("{{\"format\": {format:?}, \"adapter\": {adapter:?}, \"entries\": {{}}}}")
        };
        for (text, says) in [
            (String::from("{\"format\": \"nf-gpu-tun"), "EOF"),
            ("[1, 2]".into(), "another version"),
            (entries("nf-gpu-tuning-0", "adapter"), "another version"),
            (entries(FORMAT, "another one"), "it is about another one"),
            (format!("{{\"format\": {FORMAT:?}}}"), "missing field"),
        ] {
            fs::write(&path, &text).unwrap();
            let (mut store, problem) = Store::open(path.clone(), "adapter");
            let problem = problem.unwrap();
            assert!(problem.contains(says) && problem.contains("t.json"), "{problem}");
            assert!(store.is_empty());
            store.insert("q".into(), entry("s", "x"));
            store.save().unwrap();
            let (store, problem) = Store::open(path.clone(), "adapter");
            assert_eq!((store.len(), problem), (1, None), "{text}");
        }
    }

    #[test]
    fn without_a_path_nothing_is_written_and_a_full_folder_is_an_error() {
        let mut store = Store::in_memory();
        store.insert("q".into(), entry("s", "x"));
        store.save().unwrap();
        assert!(store.get("q", "s").is_some() && store.get("q", "other").is_none());
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), b"").unwrap();
        let (mut store, _) = Store::open(folder.path().join("file/t.json"), "adapter");
        assert!(matches!(store.save(), Err(Error::Write { .. })));
    }

    #[test]
    fn digests_tell_texts_apart() {
        assert_eq!(sources(["a", "b"]), sources(["a", "b"]));
        assert_ne!(sources(["a", "b"]), sources(["ab"]));
        assert_ne!(sources(["a", "b"]), sources(["b", "a"]));
    }
}
