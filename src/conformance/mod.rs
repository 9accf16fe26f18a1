//! Kernel conformance: runs the cases of [`crate::kernels`] on adapters and records which variants
//! hold where.

mod document;
mod draw;
mod harness;
mod quirks;
mod row;
mod run;
mod survey;
mod web;

pub use draw::Draw;
pub use harness::{CaseOutcome, Sizes, Wrong, run_case, run_variant};
pub use quirks::Quirk;
pub use row::{Failure, Status, Use, VariantRow};
pub use run::{Listener, News, What, run};
pub use survey::Survey;
pub use web::page as web_page;
