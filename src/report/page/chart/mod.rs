//! The charts of a page, one per file.

mod bars;
mod classes;
mod confusion;
mod energy;
mod flips;
mod protection;
mod rows;
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
pub(crate) use training::{Run, training};

/// Width and height of a chart that has another one beside it.
const HALF: (f64, f64) = (480.0, 310.0);
/// Width of a chart that has the page's whole width.
const FULL: f64 = 920.0;
