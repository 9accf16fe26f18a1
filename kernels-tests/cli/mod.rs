//! The binary as a user runs it: what it refuses, its main job in small, Ctrl-C, and the same
//! answers on every adapter.
mod adapters;
mod bench;
mod conform;
mod distill;
mod dtype;
mod energy;
mod faults;
mod hostile;
mod identity;
mod interrupt;
mod job;
mod kill;
mod maps;
mod messages;
mod mount;
mod numbers;
mod people;
mod places;
mod refusals;
mod report;
mod repro;
mod resume;
mod scripts;
mod soak;
mod storage;
mod subsets;
mod transform;
mod trouble;
mod tuning;
mod twins;
mod warm_start;

use nf_gpu::{
    files::{FORMAT, Weights},
    models,
    nn::initialise,
    report::eval_json::{Document, Evaluation},
};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Longer than this nothing is waited for: a command that hangs fails its test.
const PATIENCE: Duration = Duration::from_secs(300);

/// A folder to work in, with `base.safetensors` in it: a vgg-small with random weights.
pub(super) struct Place {
    dir: TempDir,
    /// The user's cache folder, for this place alone.
    cache: TempDir,
}

#[cfg(unix)]
pub(crate) use identity::folder;

/// How a run of the binary ended.
#[derive(Debug)]
pub(super) struct Ended {
    code: Option<i32>,
    stdout: String,
    pub(super) stderr: String,
}

/// The weights that [`initialise`] gives a base network, said to be of `fashion-sample`.
pub(super) fn random_base(model: &str, seed: u64) -> Weights {
    let graph = models::base(model, 10, None).unwrap();
    let mut weights = initialise(&graph, true, seed);
    for (key, value) in [("format", FORMAT), ("model", model), ("dataset", "fashion-sample")] {
        weights.metadata.insert(key.into(), value.into());
    }
    weights
}

/// The same of a generator, ConvS for images of `side`.
pub(super) fn random_generator(side: u32) -> Weights {
    let mut weights = initialise(&models::generator("ConvS", side).unwrap(), false, 1);
    weights.metadata.insert("model".into(), "ConvS".into());
    weights
}

impl Place {
    pub(super) fn new() -> Self {
        let (dir, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        random_base("vgg-small", 1).save(dir.path().join("base.safetensors")).unwrap();
        Self { dir, cache }
    }

    /// One with a folder of images, `few`, of which its base network is said to be: ten classes, two
    /// images of each to train on and two to test on. Where the embedded set would prove no more:
    /// of that, two hundred are held out to be evaluated, and a thousand are there to test on.
    pub(super) fn of_few_images() -> Self {
        let place = Self::new();
        for class in 0..10u8 {
            for (i, split) in (0..).zip(["train", "train", "test", "test"]) {
                let folder = place.path(&format!("few/{split}/{}", char::from(b'a' + class)));
                fs::create_dir_all(&folder).unwrap();
                let mut image = b"P6 32 32 255\n".to_vec();
                image.extend((0..3072).map(|at: u32| 20 * class + (at * (at + i) % 53) as u8));
                fs::write(folder.join(format!("{i}.ppm")), image).unwrap();
            }
        }
        place.give_base(1);
        place
    }

    /// Gives a place [of few images](Self::of_few_images) the base network of a seed.
    pub(super) fn give_base(&self, seed: u64) {
        let mut base = random_base("vgg-small", seed);
        base.metadata.insert("dataset".into(), self.path("few").to_str().unwrap().into());
        base.save(self.path("base.safetensors")).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The binary, in this folder.
    fn nf(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nf-gpu"));
        command.args(line.split_whitespace()).current_dir(self.dir.path()).stdin(Stdio::null());
        // Tests neither fill the user's cache nor depend on what it holds.
        command.env("XDG_CACHE_HOME", self.cache.path()).env("NF_GPU_NO_TUNE", "1");
        // But for what Mesa compiles, under its own keys: a process spends most of its time on that.
        if std::env::var_os("MESA_SHADER_CACHE_DIR").is_none() {
            command.env("MESA_SHADER_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"));
        }
        command
    }

    /// The binary, heeding all signals, also where the tests run behind `nohup` or in the background of
    /// a script and have handed down that some are ignored.
    #[cfg(unix)]
    fn heeding(&self, line: &str) -> Command {
        let this = self.nf(line);
        let tried = Command::new("env").args(["--default-signal", "true"]).output();
        if !tried.is_ok_and(|tried| tried.status.success()) {
            // Only GNU's can.
            return this;
        }
        let mut command = Command::new("env");
        command.arg("--default-signal").arg(this.get_program()).args(this.get_args());
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command.envs(this.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// The binary, started by a shell that does `before` and whatever the line asks of it.
    #[cfg(unix)]
    fn shell(&self, before: &str, line: &str) -> Command {
        let this = self.nf("");
        let mut shell = Command::new("sh");
        let line = format!("{before} exec {} {line}", env!("CARGO_BIN_EXE_nf-gpu"));
        shell.args(["-c", &line]).current_dir(self.dir.path()).stdin(Stdio::null());
        shell.envs(this.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell
    }

    /// The binary with measurements of kernels on, as users have it.
    fn tuned(&self, line: &str) -> Ended {
        Ended::of(self.nf(line).env_remove("NF_GPU_NO_TUNE"))
    }

    pub(super) fn run(&self, line: &str) -> Ended {
        Ended::of(&mut self.nf(line))
    }

    /// Starts a line, presses Ctrl-C when there is `file`, and waits for its end.
    #[cfg(unix)]
    fn interrupted(&self, line: &str, file: &str) -> Ended {
        let mut command = self.heeding(line);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for(&self.path(file), &mut child);
        // Of one that has ended by itself, what it said tells more.
        if child.try_wait().unwrap().is_none() {
            send("-INT", &child);
        }
        ended(child, line)
    }

    /// Runs each line; it must be refused with the code and the words, and leave every file as it was.
    fn refuses(&self, cases: &[(&str, i32, &[&str])]) {
        let before = self.files();
        for (line, code, says) in cases {
            println!("nf-gpu {line}");
            self.run(line).refused(*code, says);
            assert_eq!(self.files(), before, "{line}");
        }
    }

    /// Every file under this folder and its size, but for locks: they hold the number of a process,
    /// which may have a digit more the next time.
    pub(super) fn files(&self) -> Vec<(PathBuf, u64)> {
        let mut files = Vec::new();
        walk(self.dir.path(), &mut files);
        files.retain(|(file, _)| !file.ends_with(".lock"));
        files.sort();
        files
    }
}

/// Sends a signal.
#[cfg(unix)]
fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success(), "{signal}");
}

/// Waits until a file is there, or the process has ended.
pub(super) fn wait_for(file: &Path, child: &mut Child) {
    until(&format!("no {}", file.display()), child, |_| file.exists());
}

/// Waits until something is so, or the process has ended. One that would go on for ever is ended when the
/// test gives up.
fn until(otherwise: &str, child: &mut Child, mut is_so: impl FnMut(&mut Child) -> bool) {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() && !is_so(child) {
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{otherwise}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for the end of a command, and takes what it wrote to pipes; `name` says which it was.
fn ended(mut child: Child, name: &str) -> Ended {
    // Beside each other: a full pipe would stop the command.
    let (stdout, stderr) = (whole(child.stdout.take()), whole(child.stderr.take()));
    until(&format!("nf-gpu {name} does not end"), &mut child, |_| false);
    let code = child.wait().unwrap().code();
    Ended { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// Reads a pipe to its end; nothing where there is none.
fn whole(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_string(&mut text).unwrap();
        }
        text
    })
}

/// The one evaluation that a document holds.
fn evaluation(text: &str) -> Evaluation {
    let Document::One(evaluation) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
    *evaluation
}

fn walk(folder: &Path, files: &mut Vec<(PathBuf, u64)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        files.push((entry.path(), entry.metadata().unwrap().len()));
        if entry.file_type().unwrap().is_dir() {
            files.pop();
            walk(&entry.path(), files);
        }
    }
}

impl Ended {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// It succeeded; gives stdout.
    pub(super) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// It succeeded, and printed one evaluation, as `eval --json` does.
    fn evaluation(self) -> Evaluation {
        evaluation(&self.done())
    }

    /// It failed with this exit code, and its last two lines are the one error and its hint, with
    /// all of `says` in them.
    pub(super) fn refused(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        let errors = lines.iter().filter(|line| line.to_lowercase().contains("error")).count();
        let hints = lines.iter().filter(|line| line.contains("hint:")).count();
        assert_eq!((errors, hints), (1, 1), "{self:?}");
        let [.., error, hint] = lines[..] else { panic!("{self:?}") };
        assert!(error.starts_with("error: ") && hint.starts_with("  hint: "), "{self:?}");
        self.no_panic();
        for part in says {
            assert!([error, hint].join("\n").contains(part), "no {part:?} in {self:?}");
        }
    }

    /// The argument parser refused it.
    pub(super) fn no_usage(&self, says: &str) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert!(self.stderr.starts_with("error: ") && self.stderr.contains(says), "{self:?}");
        assert!(self.stderr.contains("--help"), "{self:?}");
        self.no_panic();
    }

    fn no_panic(&self) {
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        assert_eq!(self.stdout, "");
    }
}
