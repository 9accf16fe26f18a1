//! The output of a run, in rooms that use only what stands before them: `documents` (what is written and read
//! back), `words` (numbers, faults and tables as text), and then `pictures` (charts, images, pages) beside
//! `terminal` (the console). This module works on numbers and documents, and knows nothing about networks.

pub mod documents;
pub mod pictures;
pub(crate) mod terminal;
pub mod words;

pub(crate) use documents::csv;
pub use documents::{
    bench_json, eval_json,
    event::{
        self, Evaluated, Evaluating, Event, Finished, Outcome, Recovered, Sink, Started, Step, Tee,
    },
    fault_record,
    jsonl::{self, JsonLines},
    measure,
    tensorboard::TensorBoard,
    trace,
};
pub use pictures::{curves, images, page};
pub(crate) use terminal::progress;
pub use terminal::{Console, console};
pub(crate) use words::{save_maps, shell, wrap};
pub use words::{
    saving,
    table::{self, Table},
};
