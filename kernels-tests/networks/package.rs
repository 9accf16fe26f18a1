//! The Python package: installed as a user does, into an environment of its own; its tests, its types, its notebook.
//! Without Python, or without a registry to install from, it is skipped, and that is said.
use crate::extent::skipped;
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// Folder of the package.
const PACKAGE: &str = "bindings/python";

/// The Python that has the package installed.
struct Environment {
    python: PathBuf,
}

impl Environment {
    /// An environment beside the build. Modules of the Python that `NF_PYTHON` names, such as PyTorch, are seen in it.
    fn make() -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
        let base = env::var("NF_PYTHON").unwrap_or_else(|_| "python3".into());
        let inside = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
        let python = folder.join(inside);
        // A rest of an earlier run, of another Python perhaps, is made anew.
        done(Command::new(&base).args(["-m", "venv", "--clear"]).arg(&folder))?;
        let paths = "import sysconfig; print(sysconfig.get_path('purelib'))";
        let of = |python: &Path| {
            let told = done(Command::new(python).args(["-c", paths]))?;
            Ok::<_, String>(String::from_utf8_lossy(&told.stdout).trim().to_owned())
        };
        if env::var_os("NF_PYTHON").is_some() {
            let [own, theirs] = [of(&python)?, of(Path::new(&base))?];
            std::fs::write(Path::new(&own).join("nf_python.pth"), theirs + "\n")
                .map_err(|e| e.to_string())?;
        }
        // `cargo build` of the package takes what this build has made of the dependencies.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("target"));
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "-q", "--disable-pip-version-check"]);
        install.arg(format!("./{PACKAGE}[test,notebook]")).env("CARGO_TARGET_DIR", target);
        done(install.current_dir(env!("CARGO_MANIFEST_DIR")))?;
        Ok(Self { python })
    }

    /// The only one of this process, or why there is none. In CI there must be one.
    fn get() -> Result<&'static Self, String> {
        static MADE: OnceLock<Result<Environment, String>> = OnceLock::new();
        let made = MADE.get_or_init(Self::make).as_ref().map_err(Clone::clone);
        assert!(made.is_ok() || env::var_os("CI").is_none(), "{:?}", made.err());
        made
    }
}

/// Runs a program, whose failure is told.
fn done(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(output) } else { Err(format!("{command:?}: {told}")) }
}

/// A Python that has the package and these modules. What is missing is reported; a package that was installed and cannot be
/// imported is a failure.
pub(crate) fn python_with_package(modules: &[&str]) -> Option<PathBuf> {
    let made = Environment::get().and_then(|environment| {
        let import = |names: &str| {
            done(Command::new(&environment.python).args(["-c", &format!("import {names}")]))
        };
        let own = import("nf_gpu");
        assert!(own.is_ok(), "{:?}", own.err());
        modules.iter().try_for_each(|name| import(name).map(drop))?;
        Ok(environment.python.clone())
    });
    made.map_err(|why| skipped(&why)).ok()
}

/// Flags that have no meaning in Python: they say what and how the command prints.
const OF_THE_TERMINAL: [&str; 5] = ["json", "quiet", "help", "version", "dry-run"];

/// What quotes enclose in a line of Python.
fn quoted(line: &str) -> Vec<&str> {
    line.split('"').skip(1).step_by(2).collect()
}

/// The types of keyword arguments are written by a script that wants the package; that they have fallen behind the
/// flags is found without it.
#[test]
fn every_flag_has_the_type_of_its_keyword_argument() {
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PACKAGE).join(name);
        std::fs::read_to_string(path).unwrap().replace("\r\n", "\n")
    };
    let (script, types) = (read("flag_types.py"), read("py_src/nf_gpu/_flag_types.pyi"));
    let table = script.split_once("COMMANDS = [\n").unwrap().1.split_once("\n]").unwrap().0;
    let mut seen = 0;
    for row in table.lines().map(quoted) {
        let [command, class, named @ ..] = &row[..] else { panic!("{row:?}") };
        let head = format!("class {class}(TypedDict, total=False):\n");
        let rest = types.split_once(&head).unwrap_or_else(|| panic!("no class {class}")).1;
        let typed: Vec<_> = rest.lines().map_while(|line| line.trim().split_once(": ")).collect();
        let typed: Vec<_> = typed.iter().map(|(name, _)| name.trim_end_matches('_')).collect();
        let flags = nf_gpu::cli::calls::flags(command).unwrap();
        let flags = flags.as_array().unwrap().iter().map(|flag| flag["name"].as_str().unwrap());
        let flags: Vec<_> = flags
            .filter(|name| !OF_THE_TERMINAL.contains(name))
            .map(|name| name.replace('-', "_"))
            .filter(|name| !named.contains(&name.as_str()))
            .collect();
        assert_eq!(typed, flags, "{command}: python {PACKAGE}/flag_types.py writes the types");
        seen += 1;
    }
    assert!(seen > 5);
}

/// The command of the package behaves as the binary: tests of the binary, run through it.
#[test]
#[ignore = "in ./test.sh --all: builds the Python package"]
fn the_command_of_the_package_is_the_binary() {
    let Some(python) = python_with_package(&[]) else { return };
    let command = python.with_file_name(if cfg!(windows) { "nf-gpu.exe" } else { "nf-gpu" });
    let mut tests = Command::new(env::current_exe().unwrap());
    tests.args(["cli::refusals", "cli::interrupt", "cli::messages", "cli::energy"]);
    let output = tests.env("NF_GPU_COMMAND", &command).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!told.contains("running 0 tests"), "no test has one of these names");
}

#[test]
#[ignore = "in ./test.sh --all: builds the Python package, and runs every network where there is PyTorch"]
fn the_python_package_holds_its_tests() {
    let Some(python) = python_with_package(&[]) else { return };
    let mut tests = Command::new(python);
    tests.args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]);
    tests.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(PACKAGE));
    tests.env("NF_GPU_BINARY", env!("CARGO_BIN_EXE_nf-gpu"));
    let output = tests.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    told.lines().filter(|line| line.starts_with("SKIPPED")).for_each(skipped);
}
