//! Training: base networks with quantised weights, and NeuralFuse generators in front of faulty ones.

mod config;
mod eopm;
mod pretrain;
mod sampler;
mod supervised;

pub use config::{Augment, Preset, PretrainConfig, Schedule, TrainConfig};
pub use eopm::Eopm;
pub use pretrain::pretrain;
pub use sampler::Sampler;
pub use supervised::Supervised;
