//! The only code that says `wgpu`: adapters, the device, pipelines, and programs of dispatches.

mod ability;
mod adapter;
mod arena;
mod buffer;
mod device;
mod profile;
mod program;
mod tape;
mod trusted;

pub use adapter::{AdapterChoice, AdapterReport, BackendName, list, would_use};
pub use arena::TapeMemory;
pub use buffer::Buffer;
pub use device::Gpu;
pub use profile::{Clock, StepTime};
pub use program::Program;
pub use tape::{BufferId, Tape};
