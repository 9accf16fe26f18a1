//! The binary as a user runs it: what it refuses, its main job in small, Ctrl-C, and the same
//! answers on every adapter.
mod activations;
mod adapters;
mod bench;
mod biases;
mod conform;
mod demo;
mod distill;
mod dtype;
mod energy;
mod export;
mod faults;
mod floats;
mod hostile;
mod identity;
mod interrupt;
mod job;
mod kill;
mod maps;
mod messages;
mod mount;
mod numbers;
pub(crate) mod onnx;
mod onnx_words;
mod patterns;
mod people;
mod places;
#[cfg(unix)]
mod ranks;
mod refusals;
mod report;
mod repro;
mod resume;
mod scripts;
mod shards;
mod soak;
mod storage;
mod subsets;
mod transform;
mod trouble;
mod tuning;
mod twins;
mod unicode;
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

/// The program that the tests of this folder run: the binary, or the one that `NF_GPU_COMMAND` names, such as the command
/// of the Python package.
fn program() -> String {
    std::env::var("NF_GPU_COMMAND").unwrap_or_else(|_| env!("CARGO_BIN_EXE_nf-gpu").into())
}

/// Longest wait: a command that hangs fails its test.
const PATIENCE: Duration = Duration::from_secs(300);

/// A folder to work in, with `base.safetensors` in it: a vgg-small with random weights.
pub(super) struct Place {
    dir: TempDir,
    /// The user's cache folder, separate for this place.
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

/// Random weights of a base network ([`initialise`]), with `fashion-sample` as its data set.
pub(super) fn random_base(model: &str, seed: u64) -> Weights {
    let graph = models::base(model, 10, None).unwrap();
    let mut weights = initialise(&graph, true, seed);
    for (key, value) in [("format", FORMAT), ("model", model), ("dataset", "fashion-sample")] {
        weights.metadata.insert(key.into(), value.into());
    }
    weights
}

/// Random weights of a generator, ConvS for images of `side`.
pub(super) fn random_generator(side: u32) -> Weights {
    let mut weights = initialise(&models::generator("ConvS", [3, side, side]).unwrap(), false, 1);
    weights.metadata.insert("model".into(), "ConvS".into());
    weights
}

impl Place {
    pub(super) fn new() -> Self {
        let (dir, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        random_base("vgg-small", 1).save(dir.path().join("base.safetensors")).unwrap();
        Self { dir, cache }
    }

    /// A place with a folder of images, `few`, as the data set of its base network: ten classes, with
    /// two images of each for training and two for testing. For tests to which the embedded set would
    /// add nothing: it holds out two hundred images for evaluations and has a thousand for testing.
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
        let mut command = Command::new(program());
        command.args(line.split_whitespace()).current_dir(self.dir.path()).stdin(Stdio::null());
        // Tests neither fill the user's cache nor depend on its contents.
        command.env("XDG_CACHE_HOME", self.cache.path()).env("NF_GPU_NO_TUNE", "1");
        // They share what Mesa compiles, which takes most of the time of a process.
        if std::env::var_os("MESA_SHADER_CACHE_DIR").is_none() {
            command.env("MESA_SHADER_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"));
        }
        command
    }

    /// The binary, reacting to all signals even if the tests run under `nohup` or in the background of
    /// a script and have inherited ignored signals.
    #[cfg(unix)]
    fn heeding(&self, line: &str) -> Command {
        let this = self.nf(line);
        let tried = Command::new("env").args(["--default-signal", "true"]).output();
        if !tried.is_ok_and(|tried| tried.status.success()) {
            // Only GNU's `env` can reset signals.
            return this;
        }
        let mut command = Command::new("env");
        command.arg("--default-signal").arg(this.get_program()).args(this.get_args());
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command.envs(this.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// The binary, started by a shell that first executes `before`; the line may use shell syntax.
    #[cfg(unix)]
    fn shell(&self, before: &str, line: &str) -> Command {
        let this = self.nf("");
        let mut shell = Command::new("sh");
        let line = format!("{before} exec {} {line}", program());
        shell.args(["-c", &line]).current_dir(self.dir.path()).stdin(Stdio::null());
        shell.envs(this.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell
    }

    /// Runs the binary with measurements of kernels on, as for users.
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
        // If the command ended by itself, its output says more than the signal's failure.
        if child.try_wait().unwrap().is_none() {
            send("-INT", &child);
        }
        ended(child, line)
    }

    /// Runs each line; it must be refused with the code and the words, and leave every file as it was.
    pub(super) fn refuses(&self, cases: &[(&str, i32, &[&str])]) {
        let before = self.files();
        for (line, code, says) in cases {
            println!("nf-gpu {line}");
            self.run(line).refused(*code, says);
            assert_eq!(self.files(), before, "{line}");
        }
    }

    /// Every file under this folder and its size, except for locks: they hold a process number, which
    /// may have more digits the next time.
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

/// Waits until a condition holds, or the process has ended. The process is killed when the test gives
/// up.
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

/// Waits for the end of a command, and collects its output; `name` identifies it in errors.
fn ended(mut child: Child, name: &str) -> Ended {
    // Both pipes are read in parallel: a full pipe would block the command.
    let (stdout, stderr) = (whole(child.stdout.take()), whole(child.stderr.take()));
    until(&format!("nf-gpu {name} does not end"), &mut child, |_| false);
    let code = child.wait().unwrap().code();
    Ended { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// Reads a pipe to its end; the text is empty without a pipe.
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

    /// Asserts that the command succeeded; returns stdout.
    pub(super) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// Asserts that the command succeeded and printed one evaluation, as `eval --json` does.
    fn evaluation(self) -> Evaluation {
        evaluation(&self.done())
    }

    /// Asserts that the command failed with this exit code, and that its last two lines are one error
    /// and its hint, which contain all of `says`.
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

    /// Asserts that the argument parser refused the line.
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
