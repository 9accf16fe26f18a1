//! What `nf-gpu conform` shows while it works.

use crate::{
    conformance::{News, Survey, What},
    report::progress::{self, Unit},
};
use std::time::Instant;

/// How far the cases are, with the one at hand, so that a driver that hangs or crashes leaves its name on
/// the terminal; and a line for each variant that is wrong, at once.
pub(super) struct Progress {
    progress: progress::Progress,
    begun: Instant,
    /// Seconds that drawn cases have on an adapter.
    time: Option<u64>,
    /// Cases of an adapter.
    cases: u64,
    done: u64,
}

impl Progress {
    /// For one adapter, which has `cases`, or the time of `what`.
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
