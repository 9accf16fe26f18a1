//! The progress display of a download.

use crate::{
    data::FetchEvent,
    report::progress::{Progress, Unit},
};

/// Prints sources and files as lines, and shows the progress of a download.
pub(super) struct FetchConsole {
    progress: Progress,
}

impl FetchConsole {
    pub(super) fn new(quiet: bool) -> Self {
        Self { progress: Progress::new(quiet, Unit::Bytes, None) }
    }

    pub(super) fn show(&self, event: &FetchEvent<'_>) {
        match event {
            FetchEvent::Trying { source } => {
                self.progress.restart();
                self.progress.say(&format!("trying {source}"));
            }
            FetchEvent::Failed { source, reason } => {
                self.progress.say(&format!("{source} failed: {reason}"));
            }
            FetchEvent::Downloading { done, total } => self.progress.set(*done, *total),
            FetchEvent::Wrote { file } => self.progress.say(&format!("wrote {file}")),
            FetchEvent::Kept { .. } => {}
        }
    }
}
