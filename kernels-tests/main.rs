//! All tests that need more than one module: interface, conformance, data, command line.

mod data;
