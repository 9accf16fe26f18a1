//! The paper's experiments as data, and a queue that runs them: our numbers beside the paper's.
//!
//! A [`PaperTable`] is a list of [`Cell`]s (a base network behind a generator at a rate of faulty cells), each
//! with the paper's numbers. A [`QueuePlan`] lists the base networks and generators that the cells need and share.
//! [`run`] makes the missing ones in order, and can be stopped and restarted. With a limit in hours it times
//! steps first, and begins only cells that fit ([`Forecast`]).
//!
//! Out of scope are the paper's adversarial studies (its Tables 25 and 26), and generators trained on two
//! base networks at once (Table 21), whose numbers are listed but whose cells cannot be run.

mod artefacts;
mod cell;
mod estimate;
mod evaluate;
mod folders;
mod forecast;
mod plan;
mod queue;
mod recipe;
mod results;
mod settings;
mod table;
mod text;
mod training;

pub use cell::{Accuracies, Cell, MeanStd};
pub use forecast::{Forecast, Planned};
pub use plan::{PlannedCell, QueuePlan};
pub use queue::{QueueOutcome, forecast, run};
pub use results::{BaseRecord, CellResult, Results, State};
pub use settings::ReproSettings;
pub use table::{PaperTable, TABLES, table};
pub use training::Training;
