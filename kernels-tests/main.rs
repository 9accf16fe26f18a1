//! The conformance suite of the kernels, and the tests of the whole program.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests print what they ran on and fail by panicking, helpers outside #[test] too"
)]

mod cli;
mod data;
mod extent;
mod faults;
mod files;
mod kernels;
mod layers;
mod networks;
mod runs;
