//! Broken copies of every file that a command reads lead to a result or an error, never to a panic, a
//! signal, an endless wait or excessive memory.
mod files;
mod readers;
mod watched;

use super::Place;
use crate::{
    extent::drawn,
    files::hostile::{mutate::Mutator, parsers},
};
use nf_gpu::train::TrainConfig;
use readers::{Broken, READERS, RESUME, Reader};
use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};
use watched::{MOST_KIB, PATIENCE, Watched, watched};

/// Number of broken copies of each file without `NF_GPU_MUTANTS`.
const COPIES: u64 = 4;

/// A flag that names a missing adapter, and the error for it.
const ABSENT: (&str, &str) = (" --adapter absent", "no GPU adapter matches \"absent\"");

/// What happened with the copies of a file.
#[derive(Default)]
struct Figures {
    refused: u64,
    /// The copy was still valid, or the command replaced it.
    accepted: u64,
    peak: u64,
    slowest: Duration,
    failed: Vec<String>,
}

/// A command in a place, with a folder of caches in it.
fn run(place: &Place, reader: &Reader, line: &str) -> Watched {
    let mut command = place.nf(line);
    command.env("XDG_CACHE_HOME", place.path("cache"));
    if reader.tuned {
        command.env_remove("NF_GPU_NO_TUNE");
    }
    watched(&mut command)
}

/// Whether the copy was accepted; panics when the command did anything but accept or refuse it.
fn judge(reader: &Reader, copy: &[u8], watched: &Watched) -> bool {
    let Watched { ended, took, peak } = watched;
    assert!(*took < PATIENCE, "{took:?}: {ended:?}");
    assert!(*peak < MOST_KIB, "{peak} KiB: {ended:?}");
    let accepted = match ended.code {
        Some(0) => true,
        // A broken name may be refused like a flag, with exit code 2.
        Some(code @ (1 | 2)) if reader.broken == Broken::Refused => {
            ended.refused(code, &[]);
            reader.absent && ended.stderr.contains(ABSENT.1)
        }
        _ => panic!("{ended:?}"),
    };
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    let raw = ended.stderr.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(raw, None, "{ended:?}");
    if let (true, Some((family, first))) = (accepted, reader.family) {
        let (_, parse) = parsers::FAMILIES.iter().find(|(name, _)| *name == family).unwrap();
        let bytes = [first.as_slice(), copy].concat();
        assert!(parse(&bytes), "the command took what its parser refuses: {ended:?}");
    }
    accepted
}

/// Breaks a file again and again, and checks how the command reacts.
fn broken(place: &Place, number: usize, reader: &Reader, n: u64) -> Option<Figures> {
    let mut bytes = None;
    // A file that is replaced anyway is as the command made it; a journal belongs to its evaluation.
    if reader.broken == Broken::Refused {
        bytes = files::found(place, reader.file).map(|file| fs::read(file).unwrap());
    }
    let whole = run(place, reader, reader.line);
    assert_eq!(whole.ended.code, Some(0), "{}: {whole:?}", reader.file);
    let file = files::found(place, reader.file)?;
    let bytes = bytes.unwrap_or_else(|| fs::read(&file).unwrap());
    let line = reader.line.to_owned() + if reader.absent { ABSENT.0 } else { "" };
    let mut figures = Figures { peak: whole.peak, slowest: whole.took, ..Figures::default() };
    for seed in 0..n {
        if reader.file.starts_with("run/") {
            // A resumed run writes into its folder, also the next checkpoint, so the folder is
            // restored.
            fs::remove_dir_all(place.path("run")).unwrap();
            files::copy(&place.path("run-whole"), &place.path("run"));
        }
        let copy = Mutator::new(seed << 8 | number as u64).copy(&bytes, 0);
        if reader.line == RESUME && longer(&copy) {
            continue;
        }
        fs::write(&file, &copy).unwrap();
        let watched = run(place, reader, &line);
        figures.peak = figures.peak.max(watched.peak);
        figures.slowest = figures.slowest.max(watched.took);
        match catch_unwind(AssertUnwindSafe(|| judge(reader, &copy, &watched))) {
            Ok(true) => figures.accepted += 1,
            Ok(false) => figures.refused += 1,
            Err(_) => figures.failed.push(kept(reader.file, seed, &copy)),
        }
    }
    if reader.file.starts_with("run/") {
        files::copy(&place.path("run-whole"), &place.path("run"));
    }
    fs::write(&file, &bytes).unwrap();
    Some(figures)
}

/// Whether these are settings of a run that goes on for longer than a test may.
fn longer(copy: &[u8]) -> bool {
    let config = toml::from_str::<TrainConfig>(&String::from_utf8_lossy(copy));
    config.is_ok_and(|config| config.steps.is_none_or(|steps| steps > 2))
}

/// Keeps a copy that revealed a problem, and returns where.
fn kept(file: &str, seed: u64, copy: &[u8]) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile");
    fs::create_dir_all(&folder).unwrap();
    let to = folder.join(format!("{seed}-{}", file.replace(['/', '*'], "-")));
    fs::write(&to, copy).unwrap();
    format!("copy {seed} of {file}, kept as {}", to.display())
}

impl Figures {
    /// A row of the table in docs/reliability.md.
    fn row(&self, reader: &Reader) -> String {
        let command = reader.line.split(' ').take(2).filter(|word| !word.contains(['-', '.']));
        let command = command.collect::<Vec<_>>().join(" ");
        let (refused, accepted) = (self.refused, self.accepted);
        let (peak, slowest) = (self.peak >> 10, self.slowest.as_secs_f64());
        format!(
            "| `{}` | `{command}` | {refused} | {accepted} | {peak} | {slowest:.1} |",
            reader.file
        )
    }
}

#[test]
#[ignore = "in ./test.sh --all: four broken copies of each file, a process for each"]
fn no_broken_file_makes_a_command_panic_hang_or_swell() {
    let (n, next, only) =
        (drawn("NF_GPU_MUTANTS", COPIES, COPIES), AtomicUsize::new(0), env::var("NF_GPU_FILES"));
    let only = only.unwrap_or_default();
    let first = files::prepared();
    let second = Place::new();
    files::copy(&first.path(""), &second.path(""));
    let work = |place: &Place| {
        let mut failed = Vec::new();
        while let Some(reader) = READERS.get(next.fetch_add(1, Ordering::Relaxed)) {
            let number = READERS.iter().position(|r| std::ptr::eq(r, reader)).unwrap_or_default();
            if !only.split(',').any(|part| reader.file.contains(part)) {
                continue;
            }
            let Some(figures) = broken(place, number, reader, n) else {
                println!("{}: not here", reader.file);
                continue;
            };
            println!("{}", figures.row(reader));
            failed.extend(figures.failed);
            if n >= 100 && reader.broken == Broken::Refused && figures.refused == 0 {
                failed.push(format!("nothing is refused of {}", reader.file));
            }
        }
        failed
    };
    let failed = thread::scope(|scope| {
        [&first, &second].map(|place| scope.spawn(|| work(place))).map(|w| w.join().unwrap())
    });
    assert_eq!(failed.concat(), [""; 0]);
}
