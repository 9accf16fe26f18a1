//! A command under watch: its output, its duration, and its peak memory.
use super::super::Ended;
use std::{
    fs::{self, File},
    io::{Read, Seek},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// Limits of a command's duration and memory.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const MOST_KIB: u64 = 1 << 20;
/// Interval that is too short to fill a gigabyte, so that every excess is seen.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// How a command ended, or why it was ended.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) ended: Ended,
    pub(super) took: Duration,
    /// The most resident memory, in KiB; 0 where the system does not say (it does on Linux).
    pub(super) peak: u64,
}

/// Runs a command, and ends it when it goes beyond its limits.
pub(super) fn watched(command: &mut Command) -> Watched {
    // Files, not pipes: a full pipe would stop the command.
    let [out, err] = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
    command.stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    let name = Path::new(command.get_program()).file_name().unwrap().to_string_lossy().into_owned();
    let status = loop {
        peak = peak.max(most_memory(child.id(), &name).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > PATIENCE || peak > MOST_KIB {
            child.kill().unwrap();
            break child.wait().unwrap();
        }
        thread::sleep(BETWEEN_LOOKS);
    };
    let took = began.elapsed();
    let ended = Ended { code: status.code(), stdout: text(out), stderr: text(err) };
    Watched { ended, took, peak }
}

/// Peak resident memory of a process, in KiB. It can be read only while the process lives; and until
/// the process has the program's name, it shows the memory of this test, which started it.
fn most_memory(process: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let has = status.lines().find_map(|line| line.strip_prefix("Name:"))?.trim();
    if !name.starts_with(has) {
        return None;
    }
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn text(mut file: File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

#[cfg(target_os = "linux")]
#[test]
fn memory_and_time_are_seen() {
    // A shell that doubles a string until it is ended: no limit stands in its way.
    let hungry = "x=0123456789abcdef; while :; do x=$x$x; done";
    let watched = watched(Command::new("sh").args(["-c", hungry]));
    assert!(watched.ended.code.is_none() && watched.peak > MOST_KIB, "{watched:?}");
    let talks = "echo a; echo b >&2; sleep 0.2; exit 7";
    let ended = super::watched(Command::new("sh").args(["-c", talks]));
    assert_eq!(ended.ended.code, Some(7));
    assert_eq!((&*ended.ended.stdout, &*ended.ended.stderr), ("a\n", "b\n"));
    assert!(ended.peak > 0 && ended.peak < MOST_KIB, "{ended:?}");
}
