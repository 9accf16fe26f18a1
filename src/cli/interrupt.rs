//! Signals that ask the program to end.
//!
//! A command with results to keep ends in order: it asks [`pressed`] between its steps. Every other command
//! ends at once. An orderly command, too, ends at once when the same signal comes again a second or more
//! after the first: people repeat Ctrl-C when they lose patience. Signals that come closer together count as
//! one request, because tmux, `timeout`, systemd and batch systems send several at once.

use super::terminal;
use crate::files::atomic;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

static REQUESTS: Mutex<Requests> = Mutex::new(Requests::NONE);
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Signals of the same kind within this time count as one request.
const PATIENCE: Duration = Duration::from_secs(1);
/// Exit code of a program that was ended by a signal.
const CODE: i32 = 130;

/// Catches the signals from here on; those that were ignored when the program began stay ignored. Further
/// calls have no effect.
pub(crate) fn catch() {
    static CAUGHT: OnceLock<()> = OnceLock::new();
    // If no handler can be installed, a signal ends the program at once, which is less orderly but
    // correct.
    CAUGHT.get_or_init(|| system::catch().unwrap_or_default());
}

/// Declares that the running command asks [`pressed`] from here on, and ends in order. A person at the
/// terminal is told so when a signal comes, unless `quiet`.
pub(crate) fn watch(quiet: bool) {
    let mut requests = lock();
    requests.orderly = true;
    requests.tells = !quiet && terminal::is_watched();
}

/// Whether a signal has asked the program to end.
pub(crate) fn pressed() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

fn lock() -> MutexGuard<'static, Requests> {
    REQUESTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Handles a signal of the kind `signal`.
fn hear(signal: i32, again: Again) {
    let first = !INTERRUPTED.swap(true, Ordering::Relaxed);
    let mut requests = lock();
    if requests.leave(signal, again, Instant::now()) {
        // Skips destructors and exit handlers of libraries: a driver may be in the middle of
        // something that they would wait for.
        atomic::abandon();
        system::exit(CODE);
    }
    let tells = requests.tells;
    // The lock is released first, because printing may block on a stopped terminal.
    drop(requests);
    if first && tells {
        // The message starts on a new line: the terminal has just shown ^C, perhaps behind a
        // progress bar.
        terminal::say("\nending, with what is done kept; the same again leaves at once");
    }
}

/// The meaning of a signal that comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// The sender has lost patience.
    Impatience,
    /// Repetition means nothing: the system repeats the signal by itself.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has such signals"))]
    Nothing,
}

/// The requests so far.
#[derive(Debug)]
struct Requests {
    /// Whether the command ends in order when asked to.
    orderly: bool,
    /// Whether a person at a terminal reads the message about it.
    tells: bool,
    /// The time at which each signal first came.
    first: BTreeMap<i32, Instant>,
}

impl Requests {
    const NONE: Self = Self { orderly: false, tells: false, first: BTreeMap::new() };

    /// Whether a signal that comes at `now` ends the program at once.
    fn leave(&mut self, signal: i32, again: Again, now: Instant) -> bool {
        let first = *self.first.entry(signal).or_insert(now);
        let impatient = again == Again::Impatience && now.duration_since(first) >= PATIENCE;
        !self.orderly || impatient
    }
}

#[cfg(unix)]
mod system {
    use super::{Again, hear};
    use signal_hook::{consts::signal, flag, iterator::Signals, low_level};
    use std::{
        collections::BTreeMap,
        io, process,
        sync::{Arc, atomic::AtomicBool},
        thread,
    };

    /// The signals of Ctrl-C, `kill` and a closing terminal; then those with which batch systems announce the
    /// end of a job's time, as in Slurm's `--signal=USR1@120` and the soft limits of Grid Engine. The system
    /// repeats the last one every second.
    const ENDS: [(i32, Again); 6] = [
        (signal::SIGINT, Again::Impatience),
        (signal::SIGTERM, Again::Impatience),
        (signal::SIGHUP, Again::Impatience),
        (signal::SIGUSR1, Again::Nothing),
        (signal::SIGUSR2, Again::Nothing),
        (signal::SIGXCPU, Again::Nothing),
    ];

    pub(super) fn catch() -> io::Result<()> {
        let ignored = ignored();
        // A file that grows beyond `ulimit -f` ends a program silently, unless the program catches
        // the signal: then the write fails with an ordinary error. The flag itself is never read.
        if ignored >> (signal::SIGXFSZ - 1) & 1 == 0 {
            flag::register(signal::SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        }
        let ends = ENDS.into_iter().filter(|(signal, _)| ignored >> (signal - 1) & 1 == 0);
        let ends: BTreeMap<i32, Again> = ends.collect();
        let mut signals = Signals::new(ends.keys())?;
        let listen = move || signals.forever().for_each(|signal| hear(signal, ends[&signal]));
        thread::Builder::new().name("signals".into()).spawn(listen).map(drop)
    }

    pub(super) fn exit(code: i32) -> ! {
        low_level::exit(code)
    }

    /// Set of ignored signals: bit n - 1 stands for signal n. `nohup` ignores signals, and so does a shell
    /// without job control for background commands. The set is empty where the system does not tell.
    fn ignored() -> u128 {
        let text = if cfg!(target_os = "linux") {
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::to_owned)
        } else {
            let pid = process::id().to_string();
            let told = process::Command::new("ps").args(["-o", "sigignore=", "-p", &pid]).output();
            told.ok().map(|told| String::from_utf8_lossy(&told.stdout).into_owned())
        };
        text.and_then(|text| u128::from_str_radix(text.trim(), 16).ok()).unwrap_or(0)
    }
}

#[cfg(not(unix))]
mod system {
    use super::{Again, hear};

    pub(super) fn catch() -> Result<(), ctrlc::Error> {
        ctrlc::set_handler(|| hear(0, Again::Impatience))
    }

    pub(super) fn exit(code: i32) -> ! {
        std::process::exit(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Index of the signal at which the program leaves at once. `signals` are pairs of milliseconds and kind;
    /// the system repeats kind 3 by itself.
    fn left_at(orderly: bool, signals: &[(u64, i32)]) -> Option<usize> {
        let (mut requests, began) = (Requests { orderly, ..Requests::NONE }, Instant::now());
        signals.iter().position(|&(at, signal)| {
            let again = if signal == 3 { Again::Nothing } else { Again::Impatience };
            requests.leave(signal, again, began + Duration::from_millis(at))
        })
    }

    #[test]
    fn only_the_same_signal_a_second_later_is_impatience() {
        for (signals, left) in [
            (&[(0, 1)][..], None),
            (&[(0, 1), (1, 1), (400, 1), (999, 1)], None),
            (&[(0, 1), (999, 1), (1000, 1)], Some(2)),
            (&[(0, 1), (0, 2)], None),
            (&[(0, 1), (5000, 2)], None),
            (&[(0, 1), (5000, 2), (5500, 2), (6000, 2)], Some(3)),
            (&[(0, 1), (5000, 2), (5500, 1)], Some(2)),
            (&[(0, 3), (1000, 3), (90_000, 3)], None),
        ] {
            assert_eq!(left_at(true, signals), left, "{signals:?}");
            assert_eq!(left_at(false, signals), Some(0), "{signals:?}");
        }
    }
}
