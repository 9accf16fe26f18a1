//! Kernel conformance: what a case is, how results are compared, and how one runs on an adapter.

mod case;
mod compare;
mod harness;

pub use case::{Case, Data, Random, nan_padded};
pub use compare::{Mismatch, Want};
pub use harness::{Outcome, run_case, run_suite};
