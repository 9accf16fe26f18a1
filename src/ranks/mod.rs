//! The processes of one job, which share its work: ranks, counted from 0. Rank 0 hands work out and speaks for all.
//!
//! Who computes sees a [`Link`] that carries messages. What carries them is known in one file each: `mpi`, or
//! [`threads`] of one process.

mod failure;
mod launch;
mod message;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(any(feature = "mpi", test))]
mod presence;
mod tasks;
pub mod threads;

pub use failure::{Reply, answer, is_of_first, tell};
pub use launch::{Launch, launched};
pub use message::RankMessage;
pub use tasks::Tasks;

use crate::error::{Error, Result};
use std::{fmt, rc::Rc, time::Duration};

/// The rank that hands work out.
pub const FIRST: usize = 0;

/// A rank's way to the others. Messages from one rank to another arrive whole and in order.
pub trait Link: fmt::Debug {
    /// This rank, counted from 0.
    fn rank(&self) -> usize;

    /// Number of ranks.
    fn size(&self) -> usize;

    /// Name of this rank's machine.
    fn host(&self) -> String;

    /// Sends a message to each of these ranks, without waiting for them.
    fn send(&self, to: &[usize], message: &RankMessage);

    /// The next message, of a certain rank or of any, and its sender. Waits for it as long as `patience`.
    fn poll(&self, from: Option<usize>, patience: Duration) -> Option<(usize, RankMessage)>;

    /// A rank whose process has ended, as far as this one can see.
    fn lost(&self) -> Option<usize>;

    /// Ends the processes of all ranks, with this exit code.
    fn abort(&self, code: u8) -> !;
}

/// Waits for the next message of a rank, or of any. Returns the sender too.
///
/// # Errors
/// Those of [`check`].
pub fn receive(
    link: &dyn Link,
    from: Option<usize>,
    stop: &dyn Fn() -> bool,
) -> Result<(usize, RankMessage)> {
    loop {
        if let Some(received) = link.poll(from, LOOK) {
            return Ok(received);
        }
        check(link, stop)?;
    }
}

/// Time between two looks at what else may have happened.
const LOOK: Duration = Duration::from_millis(50);

/// Whether it is of use to go on: rank 0 needs all ranks, the others need rank 0.
///
/// # Errors
/// [`Error::Interrupted`] when `stop` says so; [`Error::Rank`]: the process of a rank has ended.
pub fn check(link: &dyn Link, stop: &dyn Fn() -> bool) -> Result<()> {
    if stop() {
        return Err(Error::Interrupted);
    }
    match link.lost() {
        Some(rank) if link.rank() == FIRST || rank == FIRST => Err(Error::Rank {
            rank,
            // Only a process of the same machine is seen to end.
            host: link.host(),
            message: "its process has ended".into(),
            hint: Some(
                "its messages may say why, or the system's: `dmesg` names processes that took too much memory".into(),
            ),
            code: 1,
        }),
        _ => Ok(()),
    }
}

/// Joins the job that this process belongs to. A process of its own, or of a program without the feature `mpi`, has no
/// link.
///
/// # Errors
/// [`Error::Argument`]: several processes were launched, and this program cannot share their work.
pub fn join() -> Result<Option<Rc<dyn Link>>> {
    match launched() {
        None => Ok(None),
        Some(launch) => linked(&launch),
    }
}

#[cfg(feature = "mpi")]
fn linked(launch: &Launch) -> Result<Option<Rc<dyn Link>>> {
    let world = mpi::World::join()?;
    if world.size() != launch.size {
        let (launched, seen) = (launch.size, world.size());
        let what =
            format!("it launched {launched} processes, of which this program's MPI sees {seen}");
        let hint = "use the launcher of the MPI that nf-gpu was built with";
        return Err(Error::argument(launch.by, what, hint));
    }
    Ok(Some(Rc::new(world)))
}

#[cfg(not(feature = "mpi"))]
fn linked(launch: &Launch) -> Result<Option<Rc<dyn Link>>> {
    if launch.size < 2 {
        return Ok(None);
    }
    let what = format!("{} processes were launched, of a build without MPI", launch.size);
    let hint = "build with `cargo build --release --features mpi`, or start one process; `eval --shard` needs no MPI";
    Err(Error::argument(launch.by, what, hint))
}
