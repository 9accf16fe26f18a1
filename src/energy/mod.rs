//! What accuracy at a low voltage costs in energy: weight-memory accesses, multiply-adds and cycles of
//! networks; operating points of the memory; the paper's published numbers; and the choice of the operating
//! point of least energy that is accurate enough.

mod choice;
mod comparison;
mod cost;
mod macs;
mod points;
mod published;
mod systolic;

pub use choice::{Candidate, Choice, Unmeasured, choose, read_evaluations};
pub use comparison::{Compared, PaperComparison, Quantity, compare};
pub use cost::{Cost, at_point};
pub use macs::paper_macs;
pub use points::{OperatingPoint, OperatingPoints, same_rate, tells_voltage};
pub use published::{Published, published};
pub use systolic::{StoredBits, accesses_of, cycles, weight_accesses};
