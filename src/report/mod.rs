//! The output of a run: events on the console and as JSON lines, curves, pictures, tables, and the JSON
//! document of an evaluation. This module works on numbers and documents, and knows nothing about networks.

pub mod bench_json;
pub mod bench_view;
mod canvas;
pub mod console;
pub mod curves;
pub mod eval_json;
pub mod event;
pub mod fault_record;
pub mod images;
pub mod jsonl;
pub mod measure;
pub mod page;
pub(crate) mod progress;
pub mod saving;
pub(crate) mod shell;
pub mod table;
pub(crate) mod terminal;
pub mod trace;
pub(crate) mod wrap;

pub use console::Console;
pub use event::{
    Evaluated, Evaluating, Event, Finished, Outcome, Recovered, Sink, Started, Step, Tee,
};
pub use jsonl::JsonLines;
pub use table::Table;
