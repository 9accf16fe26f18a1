//! What runs on a device: tapes made into programs, the choices between candidates that a run makes and
//! records, timelines, and mishaps for tests.

mod arena;
mod candidates;
mod choose;
mod contest;
mod inspect;
mod profile;
mod program;
mod record;
mod reopen;
mod sabotage;
mod session;
mod settle;
mod step;
mod tape;
mod trial;
mod tune;

pub use arena::TapeMemory;
pub use candidates::Question;
pub use choose::Recorded;
pub use contest::TrialSize;
pub use profile::StepTime;
pub use program::Program;
pub use record::{Clock, Dispatched, HostSpan, Recording, Span};
pub use sabotage::{Mishap, Sabotage};
pub use session::{Gpu, Session};
pub use tape::{BufferId, Tape};
pub use trial::{Agreement, Job, Words};
pub use tune::{Tuned, Tuning};
