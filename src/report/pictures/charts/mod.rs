//! The charts of evaluations and trainings, one per file.

mod bars;
mod classes;
mod confusion;
mod energy;
mod flips;
mod protection;
mod sensitivity;
mod sweep;
mod training;

pub(crate) use bars::bars;
pub(crate) use classes::{PerClass, classes};
pub(crate) use confusion::confusion;
pub(crate) use energy::energy;
pub(crate) use flips::flips;
pub(crate) use protection::protection;
pub(crate) use sensitivity::sensitivity;
pub(crate) use sweep::sweep;
pub(crate) use training::{TrainingRun, training};
