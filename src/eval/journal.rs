//! What an evaluation has measured so far, in a file that survives a crash: a line per fault map.

use super::OfMap;
use crate::{
    error::{Error, Result},
    files::lock,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

/// Results by name; kept in a file, or only in memory.
#[derive(Debug, Default)]
pub struct Journal {
    known: BTreeMap<String, OfMap>,
    file: Option<(PathBuf, File)>,
}

#[derive(Serialize, Deserialize)]
struct JournalLine {
    name: String,
    #[serde(flatten)]
    of_map: OfMap,
}

impl Journal {
    /// Opens a journal, or begins one. `identity` says in one line what the results depend on: a
    /// journal of something else is refused. A line that a crash cut off is dropped.
    ///
    /// # Errors
    /// The file is the journal of another evaluation, or is no journal; another process writes to
    /// it ([`Error::Busy`]); it cannot be read or written.
    pub fn open(path: impl AsRef<Path>, identity: &str) -> Result<Self> {
        let path = path.as_ref();
        let opened = File::options().create(true).append(true).open(path);
        let file = opened.map_err(|e| Error::write(path, e))?;
        lock(&file, path)?;
        let bytes = std::fs::read(path).map_err(|e| Error::read(path, e))?;
        let hint = format!("remove {} to begin anew, or choose another --out", path.display());
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
        let text = String::from_utf8_lossy(&bytes[..whole]);
        // A file without a whole line is only accepted if it is the beginning of our first line,
        // which a crash cut off.
        if whole == 0 && !identity.as_bytes().starts_with(&bytes) {
            return Err(Error::format(path, "it is no journal of an evaluation", hint));
        }
        let mut lines = text.lines();
        let mut known = BTreeMap::new();
        if let Some(first) = lines.next() {
            if first != identity {
                let what = format!("it is of another evaluation: {first}, not {identity}");
                return Err(Error::format(path, what, hint));
            }
            for (number, line) in (2..).zip(lines) {
                let line: JournalLine = serde_json::from_str(line).map_err(|e| {
                    Error::format(path, format!("line {number} is damaged: {e}"), hint.clone())
                })?;
                known.insert(line.name, line.of_map);
            }
        }
        file.set_len(whole as u64).map_err(|e| Error::write(path, e))?;
        let mut journal = Self { known, file: Some((path.to_owned(), file)) };
        if whole == 0 {
            journal.append(&format!("{identity}\n"))?;
        }
        Ok(journal)
    }

    /// Results that it holds.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The result of this name, if it is known.
    pub fn get(&self, name: &str) -> Option<&OfMap> {
        self.known.get(name)
    }

    /// Keeps a result; when this returns it is on the disk.
    pub fn put(&mut self, name: String, of_map: OfMap) -> Result<()> {
        if self.file.is_some() {
            let line = JournalLine { name, of_map };
            // Cannot fail: text and numbers only.
            self.append(&(serde_json::to_string(&line).unwrap_or_default() + "\n"))?;
            self.known.insert(line.name, line.of_map);
        } else {
            self.known.insert(name, of_map);
        }
        Ok(())
    }

    fn append(&mut self, text: &str) -> Result<()> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        written.map_err(|e| Error::write(&*path, e))
    }

    /// Removes the file: the evaluation is complete, its document written.
    pub fn remove(self) -> Result<()> {
        let Some((path, file)) = self.file else { return Ok(()) };
        drop(file);
        match std::fs::remove_file(&path) {
            // The file has already been removed.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|e| Error::write(&path, e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        eval::Answers,
        fault::{Flips, Memory},
    };

    fn result(n: u64) -> OfMap {
        let answers = Answers(vec![vec![n, 1], vec![0, 2]]);
        OfMap { answers, flips: vec![Flips::of(0x80, Memory::Bytes)], ..OfMap::default() }
    }

    #[test]
    fn what_was_put_is_there_again_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, "a").unwrap();
        journal.put("one".into(), result(1)).unwrap();
        journal.put("two".into(), result(2)).unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let journal = Journal::open(&path, "a").unwrap();
            let lines = whole[..cut].iter().filter(|&&b| b == b'\n').count();
            assert_eq!(journal.len(), lines.saturating_sub(1), "{cut}");
        }
        std::fs::write(&path, &whole).unwrap();
        let mut journal = Journal::open(&path, "a").unwrap();
        assert_eq!(journal.get("two"), Some(&result(2)));
        journal.put("three".into(), result(3)).unwrap();
        drop(journal);
        let journal = Journal::open(&path, "a").unwrap();
        assert_eq!((journal.len(), journal.get("three")), (3, Some(&result(3))));
        journal.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_journal_is_of_one_evaluation_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let first = Journal::open(&path, "a").unwrap();
        assert!(matches!(Journal::open(&path, "a"), Err(Error::Busy { .. })));
        drop(first);
        Journal::open(&path, "a").unwrap();
    }

    #[test]
    fn a_journal_of_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        drop(Journal::open(&path, "a").unwrap());
        let e = Journal::open(&path, "b").unwrap_err();
        assert!(
            e.to_string().contains("another evaluation") && e.hint().unwrap().contains("--out")
        );
        std::fs::write(&path, "notes").unwrap();
        let e = Journal::open(&path, "a").unwrap_err();
        assert!(e.to_string().contains("no journal"), "{e}");
        assert_eq!(std::fs::read(&path).unwrap(), b"notes");
        std::fs::write(&path, b"a\n\xff\xfe").unwrap();
        assert!(Journal::open(&path, "a").unwrap().is_empty());
        std::fs::write(&path, "a\n{}\n").unwrap();
        let e = Journal::open(&path, "a").unwrap_err();
        assert!(e.to_string().contains("line 2 is damaged"), "{e}");
    }
}
