//! Modules use only what lies below them, and `unsafe` stays in one file.
mod circles;
mod modules;
mod names;
mod plans;

use std::{
    fs,
    iter::Peekable,
    path::{Path, PathBuf},
    str::Chars,
};

/// Layers from bottom to top; the modules of one row may use each other.
const LAYERS: &[&[&str]] = &[
    &["error"],
    &["shape", "words", "flags"],
    &["ranks"], // carries messages between processes, whatever they say
    &["kernels::desc", "kernels::plan"], // what a kernel and a planned use of it are
    &["canvas", "files"],
    &["data", "tuning"],
    &["gpu"],
    &["run"],
    &["fault"],
    &["kernels"], // the families: plans, twins and cases
    &["conformance"],
    &["nn"],
    &["models"],
    &["deploy"], // generators for devices, on the host
    &["onnx"],
    &["report::documents"], // events, and what is written and read back
    &["report::words"],
    &["report::pictures", "report::terminal"],
    &["report"], // the door to these rooms: those who train and evaluate send events
    &["energy"], // fills in what reports say of energy
    &["eval"],
    &["step"],
    &["forward"],
    &["train"], // evaluates on the way
    &["evaluation"],
    &["bench"],
    &["repro"], // trains and evaluates, and times steps before that
    &["cli"],
];

/// Modules that a module, or a room of it, must not use although they are in lower layers.
const APART: &[(&str, &[&str])] = &[
    ("data", &["kernels::desc", "kernels::plan"]),
    // They keep nothing themselves: `tuning` does.
    ("gpu", &["shape", "files", "canvas", "data"]),
    ("run", &["shape", "files", "canvas", "data"]),
    ("tuning", &["kernels::desc", "kernels::plan", "data"]),
    ("fault", &["gpu", "run", "kernels::desc", "kernels::plan", "data"]),
    ("kernels", &["gpu", "run", "tuning", "files", "canvas", "data"]), // plans and twins need no GPU
    (
        "energy",
        &["gpu", "run", "kernels::desc", "kernels::plan", "kernels", "fault", "conformance"],
    ),
    (
        "report",
        &["gpu", "run", "kernels::desc", "kernels::plan", "kernels", "nn", "models", "conformance"],
    ),
    ("deploy", &["gpu", "run", "tuning", "data", "canvas", "conformance"]), // works without a GPU
    ("onnx", &["gpu", "run", "tuning", "data", "canvas", "models", "conformance"]), // reads on the host
    ("report::pictures", &["report::terminal"]),
    ("report::terminal", &["report::pictures"]),
];

/// The only file that may say `unsafe`.
const UNSAFE: &str = "src/gpu/trusted.rs";

/// The only file that may know MPI.
const MPI: &str = "src/ranks/mpi.rs";

/// The only file that may write to stdout and stderr, and the calls that write there or allow a lint
/// about it.
const WRITES: &str = "src/report/terminal.rs";
const WRITING: &[&str] = &[
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "dbg!",
    "io::stdout",
    "io::stderr",
    "print_stdout",
    "print_stderr",
    "disallowed_methods",
    "/dev/stdout",
    "/dev/stderr",
    "/dev/tty",
    // Progress bars draw on stderr unless they are told otherwise.
    "ProgressBar::new(",
    "ProgressBar::new_spinner(",
    "MultiProgress::new(",
    "ProgressDrawTarget::std",
    "ProgressDrawTarget::term(",
    "Term::std",
];

/// No file of `src/` has more lines.
const LINES: usize = 400;

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// The objection to module `own` using `used`, if there is one.
fn objection(own: &str, used: &str) -> Option<String> {
    let (Some(here), Some(there)) = (rank(own), rank(used)) else {
        return Some(format!("{own} or {used} is in no layer"));
    };
    if there > here {
        return Some(format!("{own} uses {used}, which lies above it"));
    }
    let within = |module: &str| own == module || own.split("::").next() == Some(module);
    let apart = APART.iter().any(|(module, not)| within(module) && not.contains(&used));
    apart.then(|| format!("{own} must not use {used}"))
}

/// Collects the paths, prefixed by `before`, of a `use` tree or an expression that begins here, such as
/// `a::{b, c::d}`. Stops behind them.
fn paths(text: &mut Peekable<Chars<'_>>, before: &[String], found: &mut Vec<Vec<String>>) {
    let mut path = before.to_vec();
    loop {
        while text.next_if(|c| c.is_whitespace()).is_some() {}
        if text.next_if_eq(&'{').is_some() {
            loop {
                paths(text, &path, found);
                while text.next_if(|c| c.is_whitespace()).is_some() {}
                if text.next() != Some(',') {
                    return;
                }
            }
        }
        let mut word = String::new();
        while let Some(c) = text.next_if(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
        }
        if word.is_empty() {
            text.next_if_eq(&'*');
            break;
        }
        path.push(word);
        // Macros belong to `kernels::desc`, which all modules may use.
        if before.is_empty() && path.len() == 1 && text.peek() == Some(&'!') {
            return;
        }
        if !(text.next_if_eq(&':').is_some() && text.next_if_eq(&':').is_some()) {
            break;
        }
    }
    if path.len() > before.len() {
        found.push(path);
    }
}

/// The module of [`LAYERS`] that contains a path with these first names.
fn module(first: &str, second: Option<&str>) -> String {
    let both = second.map(|second| format!("{first}::{second}"));
    match both.filter(|both| rank(both).is_some()) {
        Some(both) => both,
        // `crate::Error` and `crate::Result` come from `error`.
        None if first.starts_with(char::is_uppercase) => "error".into(),
        None => first.into(),
    }
}

/// Modules that a Rust file names after `crate::`, one by one or in braces.
fn used(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for after in text.split("crate::").skip(1) {
        paths(&mut after.chars().peekable(), &[], &mut found);
    }
    found.iter().map(|path| module(&path[0], path.get(1).map(String::as_str))).collect()
}

/// The code of a file without its comments.
fn code(text: &str) -> String {
    let line = |l: &str| l.split_once("//").map_or(l, |(code, _)| code).to_owned();
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn says(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word)
}

/// Whether a file is the root of a module in a module, so that its `super` is the upper one.
fn is_room(name: &str) -> bool {
    let depth = name.matches('/').count();
    depth == 2 || depth == 3 && name.ends_with("/mod.rs")
}

/// Every Rust file below a folder, with its path in the repository.
fn files(folder: &Path, found: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push((path.to_string_lossy().replace('\\', "/"), path));
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(Path::new("src"), &mut found);
    found.into_iter().map(|(name, path)| (name, fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn modules_use_only_what_lies_below() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let own = name.strip_prefix("src/").unwrap().trim_end_matches(".rs");
        if own == "lib" || own == "main" {
            continue;
        }
        let mut names = own.split('/');
        let own = module(names.next().unwrap(), names.next());
        // The unit tests of a file, and those in a file or a folder of their own, may use modules
        // of higher layers.
        let code = code(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
        if name.ends_with("/tests.rs") || name.contains("/tests/") {
            continue;
        }
        if name.matches('/').count() < 3 && says(&code, "super") && code.contains("super::super") {
            wrong.push(format!("{name}: super::super hides what it uses"));
        }
        let alone = own.starts_with("kernels::") || own.starts_with("report::") && is_room(&name);
        if alone && code.contains("super::") {
            wrong.push(format!("{name}: super hides what it uses of the module above"));
        }
        for used in used(&code) {
            wrong.extend(objection(&own, &used).map(|e| format!("{name}: {e}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_stays_in_one_file() {
    let sources = sources();
    let with: Vec<&str> = sources
        .iter()
        .filter(|(_, text)| says(&code(text), "unsafe") || says(&code(text), "unsafe_code"))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(with, [UNSAFE]);
}

#[test]
fn mpi_stays_in_one_file() {
    let calls = |code: &str| {
        let words = code.split(|c: char| !c.is_alphanumeric() && !"_:".contains(c));
        words.into_iter().any(|word| word.starts_with("mpi::") && word != "mpi::World::join")
    };
    let sources = sources();
    let with = sources.iter().filter(|(_, text)| calls(&code(text)));
    assert_eq!(with.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [MPI]);
    assert!(calls("use mpi::{Threading}") && !calls("#[cfg(feature = \"mpi\")] mod mpi;"));
}

/// Calls in a file's code that write to stdout or stderr, comments aside.
fn writing(text: &str) -> Vec<&'static str> {
    // `use std::io::{self, stdout};` imports them in a list.
    let code: String = code(text).split_whitespace().collect();
    let lists = code.split("io::{").skip(1).map(|list| list.split(';').next().unwrap_or_default());
    let listed: Vec<&str> = lists.flat_map(|list| list.split(['{', '}', ','])).collect();
    let mut found: Vec<&str> = WRITING.iter().filter(|way| code.contains(*way)).copied().collect();
    found.extend(["stdout", "stderr"].iter().filter(|name| listed.contains(*name)));
    found
}

#[test]
fn only_one_file_writes_to_the_terminal() {
    for (name, text) in sources() {
        let found = writing(&text);
        assert!(found.is_empty() || name == WRITES, "{name} has {found:?}: {WRITES} writes");
        assert!(name != WRITES || !found.is_empty(), "{WRITES} writes nothing: is it still so?");
    }
    for bad in [
        "println ! (\"x\")",
        "std::io::stderr().lock()",
        "use std::{io::{self, stdout}, fs};",
        "#[expect(clippy::print_stderr, reason = \"r\")]",
        "std::fs::write(\"/dev/stderr\", x)",
    ] {
        assert_eq!(writing(bad).len(), 1, "{bad}");
    }
    for good in
        ["// println!(x)", "told.stdout", "use std::io::{self, Write};", "terminal::print(x)"]
    {
        assert!(writing(good).is_empty(), "{good}");
    }
}

#[test]
fn no_file_is_long() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LINES, "{name} has {lines} lines, more than {LINES}: divide it");
    }
}

/// `./test.sh --all` runs every ignored test; an ignored test must say so, and why it is ignored.
#[test]
fn tests_that_are_left_out_say_where_they_run_and_why() {
    let mut found = Vec::new();
    for folder in ["src", "kernels-tests"] {
        files(Path::new(folder), &mut found);
    }
    let mut slow = 0;
    for (name, path) in found {
        let text = fs::read_to_string(path).unwrap();
        for line in text.lines().map(str::trim).filter(|line| line.starts_with("#[ignore")) {
            let why = line.strip_prefix("#[ignore = \"in ./test.sh --all: ");
            assert!(why.is_some_and(|why| why.len() > 5), "{name}: {line}");
            slow += 1;
        }
    }
    assert!(slow > 10, "{slow}: are they still found?");
}

#[test]
fn the_arrows_can_fail() {
    let text = "use crate::{\n    error::{Error, Result},\n    gpu::Gpu,\n};\nfn f() -> crate::Result<()> {\n\
                crate::params! {} nf(crate::kernels::elementwise::add::plan) }\n\
                use crate::kernels::{self, desc::{Access, Field}, plan::*, pool::{avg_pool,},};";
    let found = used(text);
    let low = ["kernels::desc", "kernels::desc", "kernels::plan"];
    let begins = ["error", "error", "gpu", "error", "kernels", "kernels"];
    assert_eq!(found, [&begins[..], &low, &["kernels"]].concat());
    assert_eq!(module("kernels", Some("desc")), "kernels::desc");
    assert_eq!(module("kernels", Some("conv")), "kernels");
    for (own, bad) in [
        ("gpu", "run"),
        ("gpu", "kernels"),
        ("kernels", "gpu"),
        ("kernels", "conformance"),
        ("kernels::plan", "kernels"),
        ("report", "kernels::plan"),
        ("report::words", "nn"),
        ("report::words", "report::pictures"),
        ("report::documents", "report::words"),
        ("report::terminal", "report::pictures"),
        ("report::pictures", "report"),
        ("fault", "gpu"),
        ("nn", "nowhere"),
    ] {
        assert!(objection(own, bad).is_some(), "{own} {bad}");
    }
    for (own, good) in [
        ("nn", "run"),
        ("run", "gpu"),
        ("gpu", "kernels::plan"),
        ("kernels", "kernels::desc"),
        ("gpu", "gpu"),
        ("report::pictures", "report::words"),
    ] {
        assert_eq!(objection(own, good), None);
    }
    assert!(says("unsafe { f() }", "unsafe") && !says("unsafely", "unsafe"));
    assert!(!says(&code("x // unsafe"), "unsafe"));
}
