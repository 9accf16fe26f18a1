//! Continues a run after a setback: from its last checkpoint, on a device that is opened again if it
//! was lost, or at a lower learning rate if numbers were not finite.

use crate::{
    error::{Error, Result},
    files::{atomic, read_text},
    report::{Event, Recovered, Sink},
    run::Gpu,
};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What to do when numbers are not finite any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnNan {
    /// The run ends with an error; its last checkpoint is from before.
    #[default]
    Stop,
    /// It goes on from its last checkpoint, at half the learning rate.
    Rollback,
}

/// Factor of the learning rate when a run goes back after numbers that were not finite.
const SLOWER: f64 = 0.5;

/// How an attempt to train ended, other than by an error that ends the run.
#[derive(Debug)]
pub(super) enum Attempt<T> {
    /// The run is done.
    Done(T),
    /// Numbers were not finite, and the run goes back to its last checkpoint.
    RollBack(Error),
}

/// Reason for another attempt.
#[derive(Clone, Debug)]
pub(super) struct Setback {
    /// Number of setbacks in this process, this one included.
    count: u32,
    reason: String,
    lr_factor: f64,
}

/// Calls `attempt` until it is done or fails for good. It is called again, at most `most` times, after
/// the device was lost (which is then opened again) or when the run goes back.
///
/// # Errors
/// The error of the last attempt; [`Error::AdapterGone`].
pub(super) fn keep_going<T>(
    gpu: &Gpu,
    most: u32,
    sink: &mut dyn Sink,
    mut attempt: impl FnMut(&Gpu, Option<&Setback>, &mut dyn Sink) -> Result<Attempt<T>>,
) -> Result<T> {
    let mut gpu = gpu.latest();
    let mut setback: Option<Setback> = None;
    loop {
        let ended = attempt(gpu, setback.as_ref(), sink);
        let count = setback.as_ref().map_or(0, |s| s.count) + 1;
        let (reason, lr_factor) = match ended {
            Ok(Attempt::Done(done)) => return Ok(done),
            Ok(Attempt::RollBack(error)) if count > most => return Err(error),
            Ok(Attempt::RollBack(error)) => (error.to_string(), SLOWER),
            Err(error) => {
                let Some(message) = loss(gpu, &error) else { return Err(error) };
                if count > most {
                    let message = match most {
                        0 => message,
                        _ => format!("{message}; it had been opened again {most} times"),
                    };
                    return Err(Error::DeviceLost { message });
                }
                let line = gpu.report().line();
                let what = format!(
                    "the GPU device was lost: {message}; opening {line} again ({count} of {most})"
                );
                sink.event(&Event::Note(what))?;
                gpu = gpu.reopen()?;
                (format!("the GPU device was lost: {message}"), 1.0)
            }
        };
        setback = Some(Setback { count, reason, lr_factor });
    }
}

/// Why the device was lost, if that is the cause of an error.
fn loss(gpu: &Gpu, error: &Error) -> Option<String> {
    match error {
        Error::DeviceLost { message } => Some(message.clone()),
        // A driver may report anything for a device that it has lost.
        Error::Gpu { .. }
        | Error::OutOfMemory { .. }
        | Error::NotFinite { .. }
        | Error::NotFiniteOutput { .. } => gpu.lost(),
        _ => None,
    }
}

/// The setbacks of a run, kept in a file of its folder. The learning rates of a resumed run depend on
/// them.
#[derive(Debug, Default)]
pub(super) struct History {
    path: PathBuf,
    all: Vec<Recovered>,
}

impl History {
    /// Path of the file.
    pub(super) fn path(root: &Path) -> PathBuf {
        root.join("recoveries.json")
    }

    /// The empty history of a new run. The file of an earlier run in the folder is removed.
    pub(super) fn begin(root: &Path) -> Result<Self> {
        let path = Self::path(root);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::write(&path, e)),
            _ => Ok(Self { path, all: Vec::new() }),
        }
    }

    /// The history of a run that is resumed.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let path = Self::path(root);
        let all = match path.try_exists().map_err(|e| Error::read(&path, e))? {
            true => serde_json::from_str(&read_text(&path)?).map_err(|e| {
                let hint = "delete it: the run goes on, at its full learning rate";
                Error::format(&path, e.to_string(), hint)
            })?,
            false => Vec::new(),
        };
        Ok(Self { path, all })
    }

    /// Records a setback after which the run continues at `step`. Called before the run continues.
    pub(super) fn add(&mut self, setback: &Setback, step: u64) -> Result<Recovered> {
        let Setback { reason, lr_factor, .. } = setback.clone();
        let recovery = self.all.last().map_or(0, |last| last.recovery) + 1;
        let recovered = Recovered { step, recovery, reason, lr_factor };
        self.all.push(recovered.clone());
        let text = serde_json::to_string_pretty(&self.all)
            .map_err(|e| Error::write(&self.path, io::Error::other(e)))?;
        atomic::write(&self.path, text + "\n")?;
        Ok(recovered)
    }

    /// Factor of the learning rate at a step.
    pub(super) fn rate(&self, step: u64) -> f64 {
        self.all.iter().filter(|r| r.step <= step).map(|r| r.lr_factor).product()
    }
}

/// The event of a setback, for a training that keeps no history.
pub(super) fn recovered(setback: &Setback, step: u64) -> Event {
    let Setback { count, reason, lr_factor } = setback.clone();
    Event::Recovered(Recovered { step, recovery: count, reason, lr_factor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learning_rates_follow_from_where_a_run_went_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::begin(folder.path()).unwrap();
        assert_eq!(history.rate(1000), 1.0);
        let back = |lr_factor| Setback { count: 1, reason: "x".into(), lr_factor };
        history.add(&back(SLOWER), 10).unwrap();
        history.add(&back(1.0), 15).unwrap();
        let last = history.add(&back(SLOWER), 20).unwrap();
        assert_eq!(last.recovery, 3);
        let history = History::load(folder.path()).unwrap();
        assert_eq!([9, 10, 19, 20].map(|step| history.rate(step)), [1.0, 0.5, 0.5, 0.25]);
        assert_eq!(History::begin(folder.path()).unwrap().rate(20), 1.0);
        assert_eq!(History::load(folder.path()).unwrap().rate(20), 1.0);
    }
}
