//! The `nf-gpu` command.

fn main() {}
