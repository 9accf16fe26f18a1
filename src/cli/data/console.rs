//! What a fetch shows while it works.

use indicatif::{ProgressBar, ProgressStyle};

use crate::{cli::terminal, data::FetchEvent};

/// Shows a fetch: a bar on a terminal, lines elsewhere, nothing when quiet.
pub(super) struct Console {
    bar: ProgressBar,
    quiet: bool,
}

impl Console {
    pub(super) fn new(quiet: bool) -> Self {
        Self { bar: ProgressBar::hidden(), quiet }
    }

    pub(super) fn show(&self, event: &FetchEvent<'_>) {
        match event {
            FetchEvent::Trying { source } => {
                self.bar.reset();
                self.say(&format!("trying {source}"));
            }
            FetchEvent::Failed { source, reason } => {
                self.say(&format!("{source} failed: {reason}"));
            }
            FetchEvent::Downloading { done, total } => self.advance(*done, *total),
            FetchEvent::Wrote { file } => self.say(&format!("wrote {file}")),
            FetchEvent::Kept { .. } => {}
        }
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| terminal::say(line));
        }
    }

    /// Draws the bar, from the first byte on. No colours: `NO_COLOR` has nothing to turn off.
    fn advance(&self, done: u64, total: Option<u64>) {
        if self.quiet || !terminal::is_watched() {
            return;
        }
        if self.bar.is_hidden() || self.bar.length() != total {
            let template = match total {
                Some(_) => {
                    "{bar:32} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}"
                }
                None => "{spinner} {decimal_bytes}, {decimal_bytes_per_sec}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            match total {
                Some(total) => self.bar.set_length(total),
                None => self.bar.unset_length(),
            }
            self.bar.set_draw_target(terminal::draw_target(true));
        }
        self.bar.set_position(done);
    }

    /// Takes the bar off the terminal.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
