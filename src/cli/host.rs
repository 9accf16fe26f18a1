//! The caller of a command that is not the terminal.

use crate::report::Sink;

/// Who asked for a call.
pub struct Host<'a> {
    /// Hears what happens.
    pub sink: &'a mut dyn Sink,
    /// Says whether to end early; it is asked between steps and batches.
    pub stop: fn() -> bool,
}
