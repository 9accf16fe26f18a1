//! What was measured to be fastest on an adapter, kept from run to run: which candidate answers a
//! question (a kernel's variant for a class of shapes, an algorithm for a layer), and compiled
//! pipelines. Knows files, not GPUs.

mod choices;
mod pipelines;
mod place;
mod store;

pub use choices::Choices;
pub use pipelines::PipelineFile;
pub use place::Place;
pub use store::{Entry, Store, Tried, sources};
