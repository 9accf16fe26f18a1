//! The only code that says `wgpu`: adapters, the device, pipelines, and programs of dispatches.

mod ability;
mod adapter;
mod arena;
mod buffer;
mod choice;
mod contest;
mod cpu;
mod device;
mod inspect;
mod profile;
mod program;
mod recorder;
mod sabotage;
mod tape;
mod trial;
mod trouble;
mod trusted;

pub use adapter::{AdapterChoice, AdapterReport, BackendName, list, would_use};
pub use arena::TapeMemory;
pub use buffer::Buffer;
pub use choice::{Question, Recorded, Session};
pub use contest::{TrialSize, Tuned, Tuning};
pub use device::Gpu;
pub use profile::{Clock, StepTime};
pub use program::Program;
pub use recorder::{Dispatched, HostSpan, Recording, Span};
pub use sabotage::{Mishap, Point, Sabotage};
pub use tape::{BufferId, Tape};
pub use trial::{Agreement, Job, Words};
pub use trusted::without_screen;
