//! What `nf-gpu conform` shows while it works.

use crate::cli::terminal;
use crate::conformance::{News, Survey};
use indicatif::{ProgressBar, ProgressStyle};

/// A line with the case at hand on a terminal, so that a driver that hangs or crashes leaves its name
/// there; and everywhere a line for each variant that is wrong, at once.
pub(super) struct Progress {
    line: ProgressBar,
    quiet: bool,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let line = ProgressBar::with_draw_target(None, terminal::draw_target(!quiet));
        if let Ok(style) = ProgressStyle::with_template("{elapsed} {wide_msg}") {
            line.set_style(style);
        }
        Self { line, quiet }
    }

    pub(super) fn show(&self, survey: &Survey, news: News<'_>) {
        match news {
            News::Case(case) => {
                let adapter = survey.adapters.last().map_or("", |a| &a.name);
                self.line.set_message(format!("{adapter}: {case}"));
                self.line.tick();
            }
            News::Wrong(of, failure) if !self.quiet => {
                let (case, what) = (&failure.case, &failure.what);
                let text = format!(
                    "wrong: {} {} at {}: {case}: {what}",
                    of.kernel, of.variant, of.workgroup
                );
                self.line.suspend(|| terminal::say(&text));
            }
            News::Wrong(..) => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.line.finish_and_clear();
    }
}
