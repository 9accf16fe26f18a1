//! Runs as wholes through the library: streamed data, lost devices, pages, the queue, times.

pub(crate) mod any_input;
pub(crate) mod bench;
pub(crate) mod ranks;
pub(crate) mod report;
pub(crate) mod repro;
pub(crate) mod streaming;
pub(crate) mod trouble;
