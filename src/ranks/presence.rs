//! Whether the process of another rank still lives, where this one can see it. A message to a rank that has died goes
//! nowhere, and MPI does not tell.

/// A process, as others on its machine know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Presence {
    /// A number for the machine and what this process sees of it; 0 where the system does not tell.
    realm: u64,
    process: u64,
}

impl Presence {
    /// This process.
    pub(super) fn own() -> Self {
        Self { realm: realm().unwrap_or_default(), process: u64::from(std::process::id()) }
    }

    /// The same as two numbers, to send.
    pub(super) fn numbers(self) -> [u64; 2] {
        [self.realm, self.process]
    }

    /// A process out of its two numbers.
    pub(super) fn of([realm, process]: [u64; 2]) -> Self {
        Self { realm, process }
    }

    /// Whether the process has ended. A process that this one cannot see has not.
    pub(super) fn is_gone(self) -> bool {
        self.realm != 0 && realm() == Some(self.realm) && has_ended(self.process)
    }
}

/// The machine since it was started, and the numbering of processes that a container may have of its own.
#[cfg(target_os = "linux")]
fn realm() -> Option<u64> {
    use std::{
        fs,
        hash::{DefaultHasher, Hash as _, Hasher as _},
    };
    let boot = fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    let numbering = fs::read_link("/proc/self/ns/pid").ok()?;
    let mut hasher = DefaultHasher::new();
    (boot, numbering).hash(&mut hasher);
    Some(hasher.finish())
}

/// Whether a process is not there, or only its memory is still freed, or it waits for its parent to look at how it ended.
#[cfg(target_os = "linux")]
fn has_ended(process: u64) -> bool {
    use std::{fs, io::ErrorKind};
    match fs::read_to_string(format!("/proc/{process}/stat")) {
        // The state stands behind the name, which is in parentheses and may hold any others.
        Ok(text) => {
            let state = text.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
            matches!(state, Some('Z' | 'X'))
        }
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

#[cfg(not(target_os = "linux"))]
fn realm() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
fn has_ended(_: u64) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::{process::Command, thread, time::Duration};

    #[test]
    fn a_process_is_gone_when_it_has_ended_and_can_be_seen() {
        assert!(!Presence::own().is_gone());
        assert_eq!(Presence::of(Presence::own().numbers()), Presence::own());
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let child_is = Presence { process: u64::from(child.id()), ..Presence::own() };
        assert!(!child_is.is_gone());
        child.kill().unwrap();
        // Nobody has asked yet how it ended.
        for _ in 0..500 {
            if child_is.is_gone() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        assert!(child_is.is_gone());
        child.wait().unwrap();
        assert!(child_is.is_gone());
        for realm in [0, child_is.realm ^ 1] {
            assert!(!Presence { realm, ..child_is }.is_gone(), "elsewhere");
        }
    }
}
