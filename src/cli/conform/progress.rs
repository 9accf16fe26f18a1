//! The progress display of `nf-gpu conform`.

use crate::{
    conformance::{News, Survey, What},
    report::progress::{self, Unit},
};
use std::time::Instant;

/// Shows how many cases are done and which one runs now, so that a driver that hangs or crashes leaves the
/// case's name on the terminal. Each wrong variant gets a line at once.
pub(super) struct AdapterProgress {
    progress: progress::Progress,
    begun: Instant,
    /// Seconds per adapter, where cases are drawn for a limited time.
    time: Option<u64>,
    /// Number of cases per adapter.
    cases: u64,
    done: u64,
}

impl AdapterProgress {
    /// Progress on one adapter: measured in time if `what` has a time limit, else in `cases`.
    pub(super) fn new(quiet: bool, what: &What, cases: u64) -> Self {
        let begun = Instant::now();
        let time = match what {
            What::Drawn { until, .. } => Some(until.saturating_duration_since(begun).as_secs()),
            What::Suites | What::Replay(_) => None,
        };
        let (unit, total) = match time {
            Some(time) => (Unit::Seconds, time),
            None => (Unit::Many("cases"), cases),
        };
        let progress = progress::Progress::new(quiet, unit, Some(total));
        Self { progress, begun, time, cases, done: 0 }
    }

    pub(super) fn show(&mut self, survey: &Survey, news: News<'_>) {
        match news {
            News::Case(case) => {
                let adapter = survey.adapters.last().map_or("", |a| &a.name);
                match self.time {
                    Some(time) => {
                        self.progress.set(self.begun.elapsed().as_secs().min(time), Some(time));
                    }
                    None => self.progress.set(self.done, Some(self.cases)),
                }
                self.done += 1;
                self.progress.doing(&format!("{adapter}: {case}"));
            }
            News::Wrong(of, failure) => {
                let (case, what) = (&failure.case, &failure.what);
                let variant = format!("{} {} at {}", of.kernel, of.variant, of.workgroup);
                self.progress.say(&format!("wrong: {variant}: {case}: {what}"));
            }
        }
    }
}
