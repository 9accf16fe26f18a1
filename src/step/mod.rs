//! One training step as a program for the GPU: forward, loss, backward, update. [`train`](crate::train) repeats
//! them, [`forward`](crate::forward) runs one on a user's tensors, and [`bench`](crate::bench) times them.

mod eopm;
mod gradients;
mod loss_head;
mod supervised;
mod target;

pub use eopm::{Eopm, EopmSettings, Losses};
pub use gradients::{EopmStep, EopmTape};
pub use loss_head::{LossHead, Wanted, loss_scale};
pub use supervised::Supervised;
pub use target::{Target, Teacher};
