//! The job that this process belongs to: alone, or one of several ranks that share the work of a command.

use super::terminal;
use crate::{
    error::{Error, Result, report},
    ranks::{self, FIRST, Launch, Link, is_of_first, launched},
};
use std::{process, thread, time::Duration};

/// Time that a launcher has to end the other ranks when rank 0 has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a command that shares its work: `first` on the process that stands alone or is the first rank, `other` on the
/// other ranks. An error ends all ranks, after its message.
pub(super) fn shared(
    first: &dyn Fn(Option<&dyn Link>) -> Result<()>,
    other: &dyn Fn(&dyn Link) -> Result<()>,
) -> Result<()> {
    share_cores();
    let Some(link) = ranks::join()? else { return first(None) };
    let done = match link.rank() {
        FIRST => first(Some(&*link)),
        _ => other(&*link),
    };
    match done {
        Err(error) if link.size() > 1 => {
            // That rank 0 has ended is told by the launcher, which also ends this rank. It may be late: on a busy machine
            // a process that was killed lingers, since Mesa's thread of least priority frees its memory.
            if is_of_first(&error) {
                thread::sleep(PATIENCE + Duration::from_secs(link.rank() as u64));
            }
            terminal::say(&report(&error));
            link.abort(error.exit_code())
        }
        done => done,
    }
}

/// Whether another rank of the job tells what every rank finds out.
pub(super) fn is_told_elsewhere() -> bool {
    launched().is_some_and(|launch| launch.rank != FIRST)
}

/// Refuses a command whose work cannot be shared, if several processes were launched: each would do all of it.
pub(super) fn alone(command: &str) -> Result<()> {
    match launched() {
        Some(Launch { by, size: size @ 2.., .. }) => {
            let what = format!("{size} processes would each run all of `nf-gpu {command}`");
            Err(Error::argument(
                by,
                what,
                "start one process: train, eval and repro share their work",
            ))
        }
        _ => Ok(()),
    }
}

/// The variable by which Mesa's software adapter is told how many threads to run.
const THREADS: &str = "LP_NUM_THREADS";

/// Starts this program again, in this process, with its part of the machine's cores for a software adapter, if there are
/// several processes here. Each of them would otherwise run a thread on every core.
#[cfg(unix)]
fn share_cores() {
    use std::{env, num::NonZero, os::unix::process::CommandExt as _};

    let here = launched().and_then(|launch| launch.local.1).unwrap_or(1);
    let Some(program) = env::current_exe().ok().filter(|_| here > 1) else { return };
    if env::var_os(THREADS).is_some() {
        return;
    }
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut again = process::Command::new(program);
    again.args(env::args_os().skip(1)).env(THREADS, (cores / here).max(1).to_string());
    // It only returns where the system refuses, and then all goes on as it would have.
    drop(again.exec());
}

#[cfg(not(unix))]
fn share_cores() {}
