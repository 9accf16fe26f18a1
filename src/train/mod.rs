//! Training: base networks with quantised weights, and NeuralFuse generators in front of faulty ones.

mod base;
mod checkpoint;
mod config;
mod dry_run;
mod eopm;
mod every;
mod faults;
mod feed;
mod folder;
mod fuse;
mod identity;
mod outcome;
mod pretrain;
mod profile;
mod recovery;
mod sampler;
mod sentinel;
mod showcase;
mod steps;
mod supervised;
mod verify;

pub use base::{BaseHints, BaseNet, INJECTED};
pub(crate) use checkpoint::remove as remove_checkpoint;
pub(crate) use config::OF_NO_MATTER;
pub use config::{Augment, Preset, PretrainConfig, Schedule, TrainConfig};
pub use dry_run::{DryRun, dry_run};
pub use eopm::{Eopm, EopmSettings};
pub use every::Every;
pub use faults::{DEFAULT_BER, FaultArgs};
pub use folder::RunFolder;
pub use fuse::train;
pub use pretrain::pretrain;
pub use recovery::OnNan;
pub use sampler::Sampler;
pub use showcase::{planar, save as save_showcase};
pub use supervised::Supervised;
