//! What is written and read back: evaluations, measurements of speed, events, faults, timelines, tables of numbers.

pub mod bench_json;
pub(crate) mod csv;
pub mod eval_json;
pub mod event;
pub mod fault_record;
pub mod jsonl;
pub mod measure;
pub mod published;
pub mod tensorboard;
pub mod trace;
