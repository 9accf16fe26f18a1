//! Measurements of what is fastest on an adapter, kept in files from run to run: which candidate
//! answers a question (a kernel's variant for a class of shapes, an algorithm for a layer).
//! Compiled pipelines are kept beside them. This module uses no GPU.

mod cache_folder;
mod choices;
mod pipelines;
mod store;

pub use cache_folder::CacheFolder;
pub use choices::Choices;
pub use pipelines::PipelineFile;
pub use store::{Store, Tried, TuningEntry, sources};
