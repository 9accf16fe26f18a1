//! Small and read-only disks, where the tests may mount them (Linux, as root).
use crate::extent::skipped;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A file system in memory, unmounted when the value is dropped.
pub(super) struct Mount {
    at: PathBuf,
}

impl Mount {
    /// Mounts a file system on the folder `at`, or reports why the test is skipped.
    pub(super) fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        if mount(at, options) {
            return Some(Self { at: at.to_owned() });
        }
        skipped("this needs a file system of its own, and mounting one is not allowed");
        None
    }

    /// Changes the mount options.
    pub(super) fn remount(&self, options: &str) {
        assert!(mount(&self.at, &format!("remount,{options}")));
    }
}

fn mount(at: &Path, options: &str) -> bool {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}
