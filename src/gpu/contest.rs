//! Candidates against each other: the fastest of those that compute the same as the reference wins.

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

/// How to measure, what was measured before, and who hears of it.
pub struct Tuning {
    /// Measurements of this adapter.
    pub store: Store,
    /// Time for measurements of this process, about; what is left takes its default.
    pub budget: Duration,
    /// Hears of candidates that are refused and of files that cannot be written, a line each.
    pub say: Box<dyn Fn(&str) + Send + Sync>,
    /// Asked between measurements: whether the user is in a hurry (Ctrl-C).
    pub stop: fn() -> bool,
}

/// What a contest may cost at most, where a smaller one can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialSize {
    /// Operations of one run.
    pub flops: u64,
    /// Bytes of all its buffers.
    pub bytes: u64,
}

/// Of the comparison with the reference, which may be slow.
const CHECK: TrialSize = TrialSize { flops: 100_000_000, bytes: 64 << 20 };
/// Of the measurement on a software adapter: 20 ms where it is good.
const ON_SOFTWARE: TrialSize = TrialSize { flops: 500_000_000, bytes: 128 << 20 };
/// Of the measurement on hardware: enough to fill it, and no watchdog bites.
const ON_HARDWARE: TrialSize = TrialSize { flops: 20_000_000_000, bytes: 512 << 20 };
/// A measured time must be so much better than the default's to win: noise decides nothing.
const BETTER: f64 = 0.97;

/// One candidate.
pub(super) struct Contestant<'a> {
    pub(super) name: String,
    /// What it runs for a size that it should not exceed.
    pub(super) job: Box<dyn Fn(TrialSize) -> Result<Job> + 'a>,
}

/// What is asked.
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

/// Measures, and remembers what it measured.
pub(super) struct Tuner {
    tuning: Mutex<Tuning>,
    done: Mutex<Tuned>,
    /// The thread that measures: what its trials build is not measured in turn.
    measuring: Mutex<Option<ThreadId>>,
}

/// What measuring has cost a process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tuned {
    /// Questions that were answered by measuring.
    pub measured: usize,
    /// Questions that were answered before.
    pub known: usize,
    /// Questions that took their default because the time was up.
    pub skipped: usize,
    /// Seconds of measuring.
    pub seconds: f64,
    /// Warnings that were said, so that none is said twice.
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

    /// The best candidate, measured now if that is not known; none where the time is up.
    ///
    /// # Errors
    /// The device was lost.
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
            // A full device is no property of a candidate.
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

    /// Says what measuring has cost since then: `tuned 14 shapes in 6 s`.
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

    /// Writes what was measured; one line where that is not possible.
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

/// The best of the candidates, and what became of each.
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
    // Seconds of each in the comparison, where it compares well.
    let mut passed: Vec<(usize, f64)> = Vec::new();
    for (i, tried) in tried.iter_mut().enumerate() {
        let results = match if i == reference { Ok(None) } else { check(i).map(Some) } {
            Ok(results) => results,
            Err(error @ Error::DeviceLost { .. }) => return Err(error),
            Err(error) if error.is_size() => return Err(error),
            Err(error) => {
                // A compiler's message has many lines; this is one.
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
    /// Settles what the tapes of candidates ask themselves, before they are compared.
    pub(super) fn settle_within(&self, candidates: &[Contestant<'_>]) -> Result<()> {
        candidates.iter().try_for_each(|c| self.settle(&(c.job)(timed(self))?.tape))
    }

    /// What measuring candidates has cost so far; nothing where it is off.
    #[must_use]
    pub fn tuned(&self) -> Tuned {
        self.chooser.tuner.as_deref().map(Tuner::done).unwrap_or_default()
    }
}
