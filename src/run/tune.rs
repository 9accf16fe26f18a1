//! Remembers which candidate was measured to be fastest, and how much time measuring may take.

use crate::{
    error::Result,
    gpu::lock,
    tuning::{Store, Tried, TuningEntry},
};
use std::{
    collections::BTreeSet,
    fmt,
    sync::Mutex,
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

/// Settings of measuring, the earlier measurements, and where messages go.
pub struct Tuning {
    /// Measurements of this adapter.
    pub store: Store,
    /// Approximate time that this process may spend on measuring; later questions take their
    /// default.
    pub budget: Duration,
    /// Receives one line for each refused candidate and each file that cannot be written.
    pub say: Box<dyn Fn(&str) + Send + Sync>,
    /// Called between measurements; true if the user has asked to stop (Ctrl-C).
    pub stop: fn() -> bool,
}

/// A question to the tuner.
pub(super) struct TuningQuestion<'a> {
    pub(super) question: &'a str,
    /// Digest of the shaders.
    pub(super) sources: &'a str,
}

/// The answer: which candidate, and whether it took a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) candidate: usize,
    pub(super) measured: bool,
}

/// Measures candidates and remembers the results.
pub(super) struct Tuner {
    tuning: Mutex<Tuning>,
    done: Mutex<Tuned>,
    /// The thread that is measuring: programs that its trials build are not measured in turn.
    measuring: Mutex<Option<ThreadId>>,
}

/// What measuring has cost a process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tuned {
    /// Questions that were answered by measuring.
    pub measured: usize,
    /// Questions that earlier measurements had answered.
    pub known: usize,
    /// Questions that took their default because the time was up.
    pub skipped: usize,
    /// Seconds of measuring.
    pub seconds: f64,
    /// Warnings given so far, so that none is repeated.
    said: BTreeSet<String>,
}

impl fmt::Debug for Tuner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tuner").field("done", &self.done).finish_non_exhaustive()
    }
}

impl Tuner {
    pub(super) fn new(tuning: Tuning) -> Self {
        let (done, measuring) = (Mutex::default(), Mutex::default());
        Self { tuning: Mutex::new(tuning), done, measuring }
    }

    pub(super) fn done(&self) -> Tuned {
        lock(&self.done).clone()
    }

    /// The best candidate, found by a `contest` now if it is not known yet. `None`, for the default,
    /// where there is nothing to compare, the time is up, or memory ran out.
    pub(super) fn decide(
        &self,
        adapter: &str,
        asked: &TuningQuestion<'_>,
        candidates: &[&str],
        contest: impl FnOnce() -> Result<(usize, Vec<Tried>)>,
    ) -> Result<Option<Answer>> {
        if candidates.len() < 2 || *lock(&self.measuring) == Some(thread::current().id()) {
            return Ok(None);
        }
        // Held while measuring: two threads would only disturb each other.
        let mut tuning = lock(&self.tuning);
        let known = tuning.store.get(asked.question, asked.sources);
        if let Some(candidate) =
            known.and_then(|entry| candidates.iter().position(|name| *name == entry.choice))
        {
            lock(&self.done).known += 1;
            return Ok(Some(Answer { candidate, measured: false }));
        }
        if lock(&self.done).seconds > tuning.budget.as_secs_f64() || (tuning.stop)() {
            lock(&self.done).skipped += 1;
            return Ok(None);
        }
        if lock(&self.done).measured == 0 {
            let seconds = tuning.budget.as_secs();
            (tuning.say)(&format!(
                "measuring which kernels are fastest here, for about {seconds} s at most (--no-tune does without)"
            ));
        }
        let started = Instant::now();
        *lock(&self.measuring) = Some(thread::current().id());
        let found = contest();
        *lock(&self.measuring) = None;
        lock(&self.done).seconds += started.elapsed().as_secs_f64();
        let (candidate, tried) = match found {
            // That memory ran out says nothing about the candidates.
            Err(error) if error.is_size() => return Ok(None),
            other => other?,
        };
        for Tried { name, refused, .. } in &tried {
            if let Some(reason) = refused {
                let subject = asked.question.split(' ').next().unwrap_or_default();
                let line = format!(
                    "warning: {subject} {name} is not used on {adapter}: {reason} (of {})",
                    asked.question
                );
                if lock(&self.done).said.insert(format!("{subject} {name}")) {
                    (tuning.say)(&line);
                }
            }
        }
        lock(&self.done).measured += 1;
        let choice = candidates[candidate].to_owned();
        let entry = TuningEntry { sources: asked.sources.to_owned(), choice, tried };
        tuning.store.insert(asked.question.to_owned(), entry);
        Ok(Some(Answer { candidate, measured: true }))
    }

    /// Reports what measuring has cost since `since`: `tuned 14 shapes in 6 s`.
    pub(super) fn report(&self, since: &Tuned) {
        let now = self.done();
        let (shapes, seconds) = (now.measured - since.measured, now.seconds - since.seconds);
        let mut line = format!(
            "tuned {shapes} shape{} in {:.0} s",
            if shapes == 1 { "" } else { "s" },
            seconds.ceil()
        );
        if now.skipped > since.skipped {
            line += &format!(
                "; {} keep their defaults, for the time was up: the next start goes on",
                now.skipped - since.skipped
            );
        }
        (lock(&self.tuning).say)(&line);
    }

    /// Whether the answer is known already.
    pub(super) fn knows(&self, asked: &TuningQuestion<'_>) -> bool {
        lock(&self.tuning).store.get(asked.question, asked.sources).is_some()
    }

    /// Writes the measurements; gives one warning if that is not possible.
    pub(super) fn save(&self) {
        let mut tuning = lock(&self.tuning);
        if let Err(error) = tuning.store.save()
            && lock(&self.done).said.insert("unwritable".into())
        {
            let line = format!("measurements are not kept: {}", crate::error::report(&error));
            (tuning.say)(line.lines().next().unwrap_or_default());
        }
    }
}
