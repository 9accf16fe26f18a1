//! The shell scripts that a newcomer runs, with stand-ins for the programs that they call: what they
//! install, and a quickstart that is interrupted, run twice, or run from another folder.
#![cfg(unix)]
mod installers;
mod quickstart;

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Stdio},
};

/// Path of the repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// How a script ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Writes a program of shell commands.
fn program(path: &Path, commands: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{commands}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Links programs of this system into a folder, so that a search path with this folder alone has no
/// others.
fn link(folder: &Path, names: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for name in names {
        let found = std::env::split_paths(&path).map(|p| p.join(name)).find(|p| p.is_file());
        symlink(found.unwrap_or_else(|| panic!("no {name}")), folder.join(name)).unwrap();
    }
}
