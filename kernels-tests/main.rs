//! The conformance suite of the kernels, and the tests of the whole.
mod conformance;
mod files;
