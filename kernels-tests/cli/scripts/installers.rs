//! `need_cargo` of `scripts/common.sh` on machines where Rust or the C compiler is missing or too old.
use super::{Ended, ROOT, link, program};
use crate::extent::skipped;
use std::{fs, path::Path, process::Command};
use tempfile::TempDir;

/// A machine: one folder of programs, a home, and a log of what was called.
struct Machine(TempDir);

/// Stand-ins log their calls; `$T` is the machine's folder.
const LOG: &str = "echo \"${0##*/} $*\" >>\"$T/log\"";
const NEW: &str = "echo 'cargo 1.999.0 (stand-in)'";
const OLD: &str = "echo 'cargo 1.60.0 (stand-in)'";
/// rustup's own cargo: old by default, new as the stable toolchain, where that is installed.
const OF_RUSTUP: &str = "if [ \"${RUSTUP_TOOLCHAIN-}\" = stable ] && [ -e \"$T/stable\" ]; then
echo 'cargo 1.999.0 (stand-in)'; elif [ -e \"$T/default\" ]; then echo 'cargo 1.60.0 (stand-in)'; else
echo 'error: rustup could not choose a version of cargo to run' >&2; exit 1; fi";
const RUSTUP: &str = "case \"$*\" in
toolchain*) [ ! -e \"$T/offline\" ] && touch \"$T/stable\" ;;
default) [ -e \"$T/default\" ] ;;
'default stable') touch \"$T/default\" ;; esac";
/// The stand-in installs programs from the folder `shelf`.
const APT_GET: &str = "[ ! -e \"$T/interrupted\" ] || exit 100
for package; do case $package in
rustup) cp \"$T/shelf/rustup\" \"$T/shelf/cargo\" \"$T/bin\" ;;
gcc) cp \"$T/shelf/cc\" \"$T/bin\" ;;
curl) cp \"$T/shelf/curl\" \"$T/bin\" ;; esac; done";
/// Fetches rustup's installer, which brings a new cargo.
const CURL: &str = "[ ! -e \"$T/offline\" ] || exit 6
while [ $# -gt 1 ]; do if [ \"$1\" = -o ]; then file=$2; fi; shift; done
printf '%s\\n' 'echo \"installer $*\" >>\"$T/log\"' 'mkdir -p \"$HOME/.cargo/bin\"' \
'cp \"$T/shelf/new-cargo\" \"$HOME/.cargo/bin/cargo\"' >\"$file\"";

impl Machine {
    /// A Debian with a C compiler, without Rust, whose user is root.
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        let tools = ["bash", "sh", "env", "sed", "mktemp", "rm", "tail", "mkdir", "cp", "touch"];
        link(&machine.path("bin"), &tools);
        fs::create_dir(machine.path("home")).unwrap();
        machine.put("bin/uname", "echo Linux").put("bin/id", "echo 0").put("bin/cc", "");
        machine.logging("bin/apt-get", APT_GET).logging("bin/dpkg", "rm -f \"$T/interrupted\"");
        machine.put("bin/apt-cache", "[ -e \"$T/has-$2\" ]").logging("bin/curl", CURL);
        machine.put("shelf/new-cargo", NEW).put("shelf/cargo", OF_RUSTUP).put("shelf/cc", "");
        machine.logging("shelf/rustup", RUSTUP).logging("shelf/curl", CURL);
        machine
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, commands: &str) -> &Self {
        program(&self.path(name), commands);
        self
    }

    fn logging(&self, name: &str, commands: &str) -> &Self {
        self.put(name, &format!("{LOG}\n{commands}"))
    }

    /// Sets a property of this machine, which is a file of that name.
    fn is(&self, what: &str) -> &Self {
        fs::write(self.path(what), "").unwrap();
        self
    }

    fn without(&self, name: &str) -> &Self {
        fs::remove_file(self.path(name)).unwrap();
        self
    }

    /// State after `need_cargo`: exit code, messages, and the version of cargo that runs.
    fn need_cargo(&self, environment: &[(&str, &str)]) -> Ended {
        let mut bash = Command::new(self.path("bin/bash"));
        bash.args(["-c", "set -euo pipefail; . scripts/common.sh; need_cargo; cargo --version"]);
        bash.env_clear().env("PATH", self.path("bin")).env("HOME", self.path("home"));
        bash.env("T", self.0.path()).envs(environment.iter().copied());
        Ended::of(bash.current_dir(ROOT))
    }

    /// The log of called installers.
    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Asserts that the machine gets a new cargo, and that one line reports how.
    #[track_caller]
    fn brings_rust(&self, says: &str) {
        let ended = self.need_cargo(&[]);
        assert_eq!(ended.code, Some(0), "{ended:?}\n{}", self.log());
        assert_eq!(ended.stdout, "cargo 1.999.0 (stand-in)\n", "{ended:?}");
        assert!(ended.stderr.contains(says), "{ended:?}");
    }

    #[track_caller]
    fn refuses(&self, environment: &[(&str, &str)], error: &str, hint: &str) {
        let ended = self.need_cargo(environment);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let lines: Vec<&str> = ended.stderr.lines().collect();
        let [.., said, try_this] = lines[..] else { panic!("{ended:?}") };
        assert!(said.starts_with("error: ") && said.contains(error), "{ended:?}");
        assert!(try_this.starts_with("  hint: ") && try_this.contains(hint), "{ended:?}");
    }
}

/// Packages are installed on Debian only.
fn on_debian() -> bool {
    let debian = Path::new("/etc/debian_version").exists();
    if !debian {
        skipped("stand-ins for apt-get need a Debian");
    }
    debian
}

#[test]
fn rust_that_is_there_is_left_alone() {
    let machine = Machine::new();
    machine.put("bin/cargo", NEW);
    let ended = machine.need_cargo(&[]);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    assert_eq!(machine.log(), "");
    // cargo is also found in its own folder outside the search path.
    machine.without("bin/cargo").put("home/.cargo/bin/cargo", NEW);
    let ended = machine.need_cargo(&[]);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
}

#[test]
fn the_distribution_s_rustup_comes_first() {
    if on_debian() {
        let machine = Machine::new();
        machine.is("has-rustup").brings_rust("Rust is not installed: installing rustup (apt-get)");
        assert!(machine.log().contains("rustup default stable"), "{}", machine.log());
        assert!(!machine.log().contains("curl"), "{}", machine.log());
    }
}

#[test]
fn without_one_rustup_s_installer_brings_rust() {
    let machine = Machine::new();
    machine.brings_rust("Rust is not installed: installing it into");
    let log = machine.log();
    assert!(log.contains("installer -y --profile minimal --no-modify-path"), "{log}");
    // The distribution's old cargo stays installed; the new one comes first in the search path.
    let machine = Machine::new();
    machine.put("bin/cargo", OLD).brings_rust("Rust 1.60 is too old; 1.");
    assert!(machine.path("bin/cargo").exists() && machine.log().contains("installer"));
    if on_debian() {
        let machine = Machine::new();
        machine.without("bin/curl").brings_rust("no curl: installing it (apt-get)");
    }
}

#[test]
fn rustup_that_is_there_gets_a_newer_toolchain() {
    for default in [true, false] {
        let machine = Machine::new();
        machine.put("bin/cargo", OF_RUSTUP).logging("bin/rustup", RUSTUP);
        if default {
            machine.is("default").brings_rust("Rust 1.60 is too old; 1.");
            // The user's default toolchain is not changed.
            assert!(!machine.log().contains("default stable"), "{}", machine.log());
        } else {
            machine.brings_rust("Rust is not installed: installing the stable toolchain (rustup)");
        }
        assert!(machine.log().contains("rustup toolchain install stable --profile minimal"));
    }
}

#[test]
fn a_compiler_is_brought_too() {
    if on_debian() {
        let machine = Machine::new();
        machine.put("bin/cargo", NEW).without("bin/cc").is("interrupted");
        machine.brings_rust("no C compiler: installing gcc and libc6-dev (apt-get)");
        // The first try found an interrupted installation.
        assert!(machine.log().contains("dpkg --configure -a"), "{}", machine.log());
    }
    // The script asks nobody for a password.
    let machine = Machine::new();
    machine.put("bin/cargo", NEW).put("bin/id", "echo 1000").without("bin/cc");
    machine.refuses(&[], "there is no C compiler (cc)", "install");
    assert_eq!(machine.log(), "");
}

#[test]
fn no_install_only_says_what_is_missing() {
    let told = [("NF_NO_INSTALL", "1")];
    let machine = Machine::new();
    machine.is("has-rustup").refuses(&told, "Rust is not installed", "https://rustup.rs");
    machine.put("bin/cargo", OLD).refuses(&told, "Rust 1.60 is too old", "rustup update stable");
    machine.put("bin/cargo", NEW).without("bin/cc");
    machine.refuses(&told, "there is no C compiler (cc)", "install");
    assert_eq!(machine.log(), "");
}

#[test]
fn without_a_network_it_ends_with_one_error() {
    let machine = Machine::new();
    machine.is("offline").refuses(&[], "its installer failed", "https://rustup.rs");
    machine.put("bin/cargo", OF_RUSTUP).logging("bin/rustup", RUSTUP);
    machine.refuses(&[], "rustup could not install it", "https://rustup.rs");
}
