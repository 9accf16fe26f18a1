//! Adapters, an open device, its pipelines and buffers: what knows `wgpu` and nothing of what is computed.

mod ability;
mod adapter;
mod assignment;
mod buffer;
mod cpu;
mod device;
mod hook;
mod lock;
mod pipelines;
mod trouble;
mod trusted;

pub use adapter::{AdapterChoice, AdapterReport, BackendName, list, would_use};
pub use assignment::assigned;
pub use buffer::Buffer;
pub use device::Device;
pub use hook::Point;
pub(crate) use hook::{Effect, Hook};
pub(crate) use lock::lock;
pub(crate) use pipelines::Pipeline;
pub use trusted::without_screen;
