//! Modules use only what lies below them, and `unsafe` stays in one file.
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Bottom first; the modules of one row may use each other.
const LAYERS: &[&[&str]] = &[
    &["error"],
    &["shape", "words"],
    &["kernel", "kernels"],
    &["font", "files"],
    &["data", "tuning"],
    &["gpu"],
    &["fault"],
    &["ops"],
    &["conformance", "reference"],
    &["nn"],
    &["models"],
    &["report"], // events and how they are shown: those who train and evaluate send them
    &["energy"], // fills in what reports say of energy
    &["eval"],
    &["forward"],
    &["train"], // evaluates on the way
    &["bench"],
    &["repro"], // trains and evaluates, and times steps before that
    &["cli"],
];

/// What a module must not use although it lies below.
const APART: &[(&str, &[&str])] = &[
    ("data", &["kernel"]),
    ("gpu", &["shape", "files", "font", "data"]), // it keeps nothing itself: `tuning` does
    ("tuning", &["kernel", "data"]),
    ("fault", &["gpu", "kernel", "data"]),
    ("ops", &["gpu", "files", "font", "data"]), // plans are made without a GPU
    ("energy", &["gpu", "kernel", "ops", "fault", "reference", "conformance"]),
    ("report", &["gpu", "kernel", "ops", "nn", "models", "reference", "conformance"]),
];

/// The only file that may say `unsafe`.
const UNSAFE: &str = "src/gpu/trusted.rs";

/// The only file that may write to stdout and stderr, and what it takes to do so, or to be forgiven for it.
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
    // They draw on stderr unless they are told otherwise.
    "ProgressBar::new(",
    "ProgressBar::new_spinner(",
    "MultiProgress::new(",
    "ProgressDrawTarget::std",
    "ProgressDrawTarget::term(",
    "Term::std",
];

/// Files longer than this are named in the output, no more.
const LINES: usize = 300;

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// What is wrong with module `own` using `used`.
fn objection(own: &str, used: &str) -> Option<String> {
    let (Some(here), Some(there)) = (rank(own), rank(used)) else {
        return Some(format!("{own} or {used} is in no layer"));
    };
    if there > here {
        return Some(format!("{own} uses {used}, which lies above it"));
    }
    let apart = APART.iter().any(|(module, not)| *module == own && not.contains(&used));
    apart.then(|| format!("{own} must not use {used}"))
}

/// Modules that a Rust file names after `crate::`, one by one or in braces.
fn used(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    for after in text.split("crate::").skip(1) {
        let Some(list) = after.strip_prefix('{') else {
            let name: String = word(after);
            // Macros are `kernel`'s and `kernels`', which all may use.
            if !after[name.len()..].starts_with('!') {
                found.push(name);
            }
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && !c.is_whitespace() => {
                    found.push(word(&list[at..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    // `crate::Error` and `crate::Result` come from `error`.
    let upper = |name: &String| name.starts_with(char::is_uppercase);
    found.iter().map(|name| if upper(name) { "error".into() } else { name.clone() }).collect()
}

/// The code of a file without its comments.
fn code(text: &str) -> String {
    let line = |l: &str| l.split_once("//").map_or(l, |(code, _)| code).to_owned();
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn says(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word)
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
        let own = name.strip_prefix("src/").unwrap().split('/').next().unwrap();
        let own = own.trim_end_matches(".rs");
        if own == "lib" || own == "main" {
            continue;
        }
        // What tests compare with may lie above.
        let code = code(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
        if name.ends_with("/tests.rs") {
            continue;
        }
        if name.matches('/').count() < 3 && says(&code, "super") && code.contains("super::super") {
            wrong.push(format!("{name}: super::super hides what it uses"));
        }
        for used in used(&code) {
            wrong.extend(objection(own, &used).map(|e| format!("{name}: {e}")));
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

/// Ways to write to stdout or stderr in the code of a file, comments aside.
fn writing(text: &str) -> Vec<&'static str> {
    // `use std::io::{self, stdout};` names them in a list.
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
fn long_files_are_named() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        if lines > LINES {
            println!("note: {name} has {lines} lines, more than {LINES}");
        }
    }
}

/// `./test.sh --all` runs whatever is ignored: there is no third sort of tests.
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
                crate::params! {} nf(crate::ops::add::plan) }";
    assert_eq!(used(text), ["error", "gpu", "error", "ops"]);
    for (own, bad) in [("gpu", "ops"), ("ops", "gpu"), ("fault", "gpu"), ("nn", "nowhere")] {
        assert!(objection(own, bad).is_some(), "{own} {bad}");
    }
    for (own, good) in [("nn", "gpu"), ("reference", "conformance"), ("gpu", "gpu")] {
        assert_eq!(objection(own, good), None);
    }
    assert!(says("unsafe { f() }", "unsafe") && !says("unsafely", "unsafe"));
    assert!(!says(&code("x // unsafe"), "unsafe"));
}
