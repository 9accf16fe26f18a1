//! Compares candidates: the fastest of those that compute the same as the reference wins.

use super::{
    device::{Gpu, lock},
    trial::{self, Agreement, Job},
};
use crate::{
    error::{Error, Result},
    tuning::{Entry, Store, Tried},
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

/// Upper limit of one trial's cost, kept where the job can be made that small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialSize {
    /// Operations of one run.
    pub flops: u64,
    /// Bytes of all buffers.
    pub bytes: u64,
}

/// Size of the comparison with the reference; a candidate may be slow.
const CHECK: TrialSize = TrialSize { flops: 100_000_000, bytes: 64 << 20 };
/// Size of the measurement on a software adapter: 20 ms on a fast one.
const ON_SOFTWARE: TrialSize = TrialSize { flops: 500_000_000, bytes: 128 << 20 };
/// Size of the measurement on hardware: large enough to fill the GPU, small enough for driver
/// watchdogs.
const ON_HARDWARE: TrialSize = TrialSize { flops: 20_000_000_000, bytes: 512 << 20 };
/// A time must be below this share of the best one so far to win, so that noise does not decide.
const BETTER: f64 = 0.97;

/// One candidate.
pub(super) struct Contestant<'a> {
    pub(super) name: String,
    /// Makes the candidate's job, which should stay within a size.
    pub(super) job: Box<dyn Fn(TrialSize) -> Result<Job> + 'a>,
}

/// A question to the tuner.
pub(super) struct Asked<'a> {
    pub(super) question: &'a str,
    /// Digest of the shaders.
    pub(super) sources: &'a str,
    pub(super) agreement: Agreement,
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

    /// The best candidate, measured now if it is not known yet. `None`, for the default, where
    /// there is nothing to compare, the time is up, or memory ran out.
    pub(super) fn decide(
        &self,
        gpu: &Gpu,
        asked: &Asked<'_>,
        candidates: &[Contestant<'_>],
        reference: usize,
    ) -> Result<Option<Answer>> {
        if candidates.len() < 2 || *lock(&self.measuring) == Some(thread::current().id()) {
            return Ok(None);
        }
        // Held while measuring: two threads would only disturb each other.
        let mut tuning = lock(&self.tuning);
        let known = tuning.store.get(asked.question, asked.sources);
        if let Some(candidate) =
            known.and_then(|entry| candidates.iter().position(|c| c.name == entry.choice))
        {
            lock(&self.done).known += 1;
            return Ok(Some(Answer { candidate, measured: false }));
        }
        if lock(&self.done).seconds > tuning.budget.as_secs_f64() || (tuning.stop)() {
            lock(&self.done).skipped += 1;
            return Ok(None);
        }
        if lock(&self.done).measured == 0 {
            let line = "measuring which kernels are fastest here, once (--no-tune does without)";
            (tuning.say)(line);
        }
        let started = Instant::now();
        *lock(&self.measuring) = Some(thread::current().id());
        let contest = contest(gpu, asked, candidates, reference);
        *lock(&self.measuring) = None;
        lock(&self.done).seconds += started.elapsed().as_secs_f64();
        let (candidate, tried) = match contest {
            // That memory ran out says nothing about the candidates.
            Err(error) if error.is_size() => return Ok(None),
            other => other?,
        };
        for Tried { name, refused, .. } in &tried {
            if let Some(reason) = refused {
                let subject = asked.question.split(' ').next().unwrap_or_default();
                let line = format!(
                    "warning: {subject} {name} is not used on {}: {reason} (of {})",
                    gpu.report().name,
                    asked.question
                );
                if lock(&self.done).said.insert(format!("{subject} {name}")) {
                    (tuning.say)(&line);
                }
            }
        }
        lock(&self.done).measured += 1;
        let choice = candidates[candidate].name.clone();
        let entry = Entry { sources: asked.sources.to_owned(), choice, tried };
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
    pub(super) fn knows(&self, question: &str, sources: &str) -> bool {
        lock(&self.tuning).store.get(question, sources).is_some()
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

/// The index of the best candidate, and the result of each.
fn contest(
    gpu: &Gpu,
    asked: &Asked<'_>,
    candidates: &[Contestant<'_>],
    reference: usize,
) -> Result<(usize, Vec<Tried>)> {
    let mut tried: Vec<Tried> =
        candidates.iter().map(|c| Tried { name: c.name.clone(), ..Tried::default() }).collect();
    let check = |i: usize| trial::results(gpu, &(candidates[i].job)(CHECK)?);
    let wanted = check(reference)?;
    // Candidates that agree with the reference, with their seconds in the comparison.
    let mut passed: Vec<(usize, f64)> = Vec::new();
    for (i, tried) in tried.iter_mut().enumerate() {
        let results = match if i == reference { Ok(None) } else { check(i).map(Some) } {
            Ok(results) => results,
            Err(error @ Error::DeviceLost { .. }) => return Err(error),
            Err(error) if error.is_size() => return Err(error),
            Err(error) => {
                // A compiler's message may have many lines: join them into one.
                let words = error.to_string();
                tried.refused = Some(words.split_whitespace().collect::<Vec<_>>().join(" "));
                continue;
            }
        };
        let results = results.as_ref().unwrap_or(&wanted);
        tried.refused = asked.agreement.objection(&wanted, results);
        tried.ms = Some(results.seconds * 1e3).filter(|_| tried.refused.is_none());
        if tried.refused.is_none() {
            passed.push((i, results.seconds));
        }
    }
    let quickest = passed.iter().map(|&(_, seconds)| seconds).fold(f64::INFINITY, f64::min);
    passed.retain(|&(_, seconds)| seconds <= 2.0 * quickest);
    let Some(&(first, _)) = passed.first() else {
        // Not even the reference agrees with itself: nothing better is known than the default.
        return Ok((0, tried));
    };
    if passed.len() == 1 {
        return Ok((first, tried));
    }
    let size = timed(gpu);
    let (mut best, mut shortest) = (first, f64::INFINITY);
    for (i, _) in passed {
        let seconds = trial::seconds(gpu, &(candidates[i].job)(size)?, shortest)?;
        tried[i].ms = Some(seconds * 1e3);
        if seconds < shortest * BETTER {
            (best, shortest) = (i, seconds);
        }
    }
    Ok((best, tried))
}

/// The size of trials that are timed on an adapter.
fn timed(gpu: &Gpu) -> TrialSize {
    if gpu.report().is_software() { ON_SOFTWARE } else { ON_HARDWARE }
}

impl Gpu {
    /// Decides the variants of the kernels on the candidates' tapes, before the candidates are
    /// compared.
    pub(super) fn settle_within(&self, candidates: &[Contestant<'_>]) -> Result<()> {
        candidates.iter().try_for_each(|c| self.settle(&(c.job)(timed(self))?.tape))
    }

    /// What measuring candidates has cost so far; zeros where measuring is off.
    #[must_use]
    pub fn tuned(&self) -> Tuned {
        self.chooser.tuner.as_deref().map(Tuner::done).unwrap_or_default()
    }
}
