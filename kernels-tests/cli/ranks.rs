//! Ranks of an MPI job: the bits of one process whatever their number, and what happens when one of them dies.
mod mpi;

use super::{Ended, Place, ended, evaluation, mount::Mount, send};
use crate::runs::generator_bits;
use mpi::{begun, binary, kill, mpirun, process, run, wait_for_end};
use nf_gpu::files::Weights;
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

/// Three copies and the clean network: four groups of one.
const TRAIN: &str = "train --base base.safetensors --generator ConvS --batch-size 4 --copies 3 --ber 0.02 --seed 5 \
                     --images 4 --micro-batch 3 --eval-every 100 --quiet";

/// The step of the checkpoint of a run.
fn step(run: &Path) -> u64 {
    Weights::load(run.join("checkpoint.safetensors")).unwrap().meta_as("step").unwrap().unwrap()
}

#[test]
#[ignore = "in ./test.sh --all: a build with MPI"]
fn any_number_of_ranks_gives_the_same_bits_and_goes_on_with_another() {
    let Some(program) = binary() else { return };
    let place = Place::of_few_images();
    place.run(&format!("{TRAIN} --steps 4 --group 1 --out alone")).done();
    let alone = generator_bits(&place.path("alone"));
    for ranks in [1, 2, 3] {
        let ended = run(&place, program, ranks, &format!("{TRAIN} --steps 4 --out of-{ranks}"));
        let table = ended.done();
        // One rank speaks for all.
        assert_eq!(table.matches("stuck-at").count(), 1, "{table}");
        assert!(generator_bits(&place.path(&format!("of-{ranks}"))) == alone, "{ranks} ranks");
        let config = fs::read_to_string(place.path(&format!("of-{ranks}/config.toml"))).unwrap();
        assert!(config.contains("group = 1\n"), "{config}");
    }
    run(&place, program, 3, &format!("{TRAIN} --steps 2 --out on")).done();
    run(&place, program, 2, "train --resume on --steps 4 --quiet").done();
    assert!(generator_bits(&place.path("on")) == alone, "resumed with two ranks");
    let ended = run(
        &place,
        program,
        2,
        &format!("{TRAIN} --steps 1 --group 9 --out one").replace("--quiet", ""),
    );
    assert!(ended.stderr.contains("1 of 2 ranks have nothing to do"), "{ended:?}");
    assert!(ended.stderr.contains("2 ranks"), "{ended:?}");
    ended.done();
}

#[test]
#[ignore = "in ./test.sh --all: a build with MPI"]
fn an_evaluation_of_several_ranks_is_the_document_of_one_process() {
    let Some(program) = binary() else { return };
    let place = Place::new();
    super::random_generator(32).save(place.path("g.safetensors")).unwrap();
    let eval = "eval --base base.safetensors --generator g.safetensors --images 10 --seeds 1..7 --ber 0.01,0.02 \
                --per-class --json --quiet";
    let whole = place.run(eval).done();
    for ranks in [1, 2, 3] {
        assert_eq!(run(&place, program, ranks, eval).done(), whole, "{ranks} ranks");
    }
    let other = format!("{eval} --seeds 1..6").replace("--seeds 1..7 ", "");
    let ended = Ended::of(&mut mpirun(&place, &[(1, program, eval), (1, program, &other)]));
    ended.names_the_cause(2, &["rank 1 would evaluate something else", "seeds"]);
    assert_eq!(evaluation(&whole).perturbed.len(), 2);
}

#[test]
#[ignore = "in ./test.sh --all: a build with MPI"]
fn a_rank_that_dies_ends_the_job_and_the_run_goes_on() {
    let Some(program) = binary() else { return };
    let place = Place::of_few_images();
    let train = format!("{TRAIN} --schedule constant").replace("--quiet", "");
    let endless = |every: u64, out: &str, seen: &str| {
        let line = format!("{train} --steps 4000 --checkpoint-every {every} --out {out}");
        (begun(&place, program, &line, &format!("{out}/{seen}")), line)
    };
    let reached = |out: &str| {
        let step = step(&place.path(out));
        assert!((1..4000).contains(&step), "{out}: {step}");
        step
    };
    // A rank that computes: rank 0 notices by itself, and writes a checkpoint that was not due.
    let (job, line) = endless(4000, "other", "metrics.jsonl");
    let asked = Instant::now();
    kill("-KILL", process(&place, 1));
    let ended = ended(job, &line);
    println!("rank 1 killed: ended after {:?}", asked.elapsed());
    // OpenMPI's launcher returns rank 0's code, or that of the killed process where it noticed that one first.
    let code = if ended.code == Some(137) { 137 } else { 1 };
    ended.names_the_cause(code, &["rank 1 on ", "its process has ended", "dmesg"]);
    let after_other = reached("other");

    // Rank 0: there is the last checkpoint. The launcher names the cause, or another rank where the launcher is late.
    let (job, line) = endless(1, "first", "checkpoint.safetensors");
    let first = process(&place, 0);
    kill("-KILL", first);
    let ended = super::ended(job, &line);
    wait_for_end(first);
    assert!(!matches!(ended.code, Some(0)), "{ended:?}");
    let said = format!("{}{}", ended.stdout, ended.stderr);
    let causes = ["process rank 0 with PID", "rank 0 on ", "Killed (signal 9)"];
    assert!(causes.iter().any(|cause| said.contains(cause)), "{ended:?}");
    println!("rank 0 killed: {:?}", ended.code);

    // Both runs go on, on one process, to the bits of a run that nobody disturbed.
    let steps = after_other.max(reached("first")) + 1;
    place.run(&format!("{train} --quiet --steps {steps} --group 1 --out whole")).done();
    for out in ["other", "first"] {
        place.run(&format!("train --resume {out} --steps {steps} --quiet")).done();
        assert!(
            generator_bits(&place.path(out)) == generator_bits(&place.path("whole")),
            "{out}, {steps} steps"
        );
    }

    // The launcher is asked to end: five seconds after its SIGTERM the ranks would be killed.
    let (job, line) = endless(4000, "asked", "metrics.jsonl");
    send("-TERM", &job);
    let ended = super::ended(job, &line);
    assert!(!matches!(ended.code, Some(0)), "{ended:?}");
    assert!(ended.stderr.contains("interrupted"), "{ended:?}");
    reached("asked");
}

#[test]
#[ignore = "in ./test.sh --all: a build with MPI"]
fn what_one_rank_cannot_do_is_told_once() {
    let Some(program) = binary() else { return };
    let place = Place::of_few_images();
    let train = format!("{TRAIN} --steps 2 --out run");
    // Another base file.
    super::random_base("vgg-small", 2).save(place.path("other.safetensors")).unwrap();
    let folder = place.path("elsewhere");
    fs::create_dir(&folder).unwrap();
    fs::copy(place.path("other.safetensors"), folder.join("base.safetensors")).unwrap();
    let mut job = mpirun(&place, &[(1, program, &train)]);
    job.args([":", "-n", "1", "-wdir"]).arg(&folder).arg(program).args(train.split_whitespace());
    let ended = Ended::of(&mut job);
    ended.names_the_cause(1, &["rank 1 on ", "base.safetensors: it is another file", "same file"]);
    assert!(!place.path("run/generator.safetensors").exists());
    // Another version: a program that says another commit.
    let commit =
        evaluation(&place.run("eval --base base.safetensors --seeds 1 --images 2 --json").done())
            .commit;
    let mut text = fs::read(program).unwrap();
    let places: Vec<usize> = text
        .windows(commit.len())
        .enumerate()
        .filter(|(_, w)| *w == commit.as_bytes())
        .map(|(i, _)| i)
        .collect();
    assert!(!places.is_empty(), "no commit {commit}");
    for at in places {
        text[at] = if text[at] == b'0' { b'1' } else { b'0' };
    }
    let patched = place.path("nf-gpu");
    fs::write(&patched, text).unwrap();
    fs::set_permissions(&patched, fs::metadata(program).unwrap().permissions()).unwrap();
    let train = train.replace("--out run", "--out run2");
    let ended = Ended::of(&mut mpirun(&place, &[(1, program, &train), (1, &patched, &train)]));
    ended.names_the_cause(2, &["rank 1 on ", "version", "the same version"]);
    // A full disk on the first rank.
    let full = place.path("full");
    fs::create_dir(&full).unwrap();
    let Some(_mount) = Mount::tmpfs(&full, "size=300k") else { return };
    let train = format!("{TRAIN} --steps 4 --checkpoint-every 1 --out full/run");
    run(&place, program, 2, &train).names_the_cause(1, &["cannot write", "disk is full"]);
}

impl Ended {
    /// Asserts that the job failed with this code, and that one error with these words was printed.
    fn names_the_cause(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let errors: Vec<&str> =
            self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{self:?}");
        for part in says {
            assert!(self.stderr.contains(part), "no {part:?} in {self:?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }
}

/// Cells of a table that several processes share, with and without MPI.
#[test]
#[ignore = "in ./test.sh --all: a build with MPI, large networks"]
fn processes_share_the_cells_of_a_table() {
    let place = Place::new();
    let smoke = "repro uip --smoke --only vgg1* --data-dir none --quiet --json --out";
    let whole = place.run(&format!("{smoke} whole")).done();
    let cells = |text: &str| {
        let mut found: serde_json::Value = serde_json::from_str(text).unwrap();
        assert!(found["done"].as_u64() > Some(1), "{found}");
        found["cells"].take()
    };
    let line = format!("{smoke} both");
    let start = || place.nf(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (one, two) = (start(), start());
    let [one, two] = [one, two].map(|child| ended(child, &line).done());
    assert_eq!(cells(&one), cells(&whole));
    assert_eq!(cells(&two), cells(&whole));
    let Some(program) = binary() else { return };
    let shared = run(&place, program, 2, &format!("{smoke} ranks")).done();
    assert_eq!(cells(&shared), cells(&whole));
}

/// A build without the feature must not start equal runs side by side.
#[test]
#[cfg(not(feature = "mpi"))]
fn a_build_without_mpi_refuses_to_be_several() {
    let place = Place::new();
    let launched = |line: &str, ranks: &str, rank: &str| {
        let mut command = place.nf(line);
        command.env("OMPI_COMM_WORLD_SIZE", ranks).env("OMPI_COMM_WORLD_RANK", rank);
        // The launcher is not there, so that its variables alone must not start MPI.
        Ended::of(command.env("OMPI_COMM_WORLD_LOCAL_RANK", rank))
    };
    let eval = "eval --base base.safetensors --seeds 1..3 --images 2";
    for line in [&format!("{TRAIN} --steps 1 --out run"), eval, "repro uip --smoke --data-dir none"]
    {
        let ended = launched(line, "2", "0");
        ended.refused(
            2,
            &["mpirun: 2 processes were launched, of a build without MPI", "--features mpi"],
        );
        let other = launched(line, "2", "1");
        assert_eq!((other.code, other.stderr.as_str()), (Some(2), ""), "the first speaks for all");
    }
    launched("demo", "3", "0").refused(2, &["3 processes would each run all of `nf-gpu demo`"]);
    // One process is one, and a share says what it is for.
    launched(eval, "1", "0").done();
    launched(&format!("{eval} --shard 2/2 --json"), "2", "1").done();
    assert!(!place.path("run").exists());
}

/// Whoever does not want MPI compiles nothing of it.
#[test]
fn without_the_feature_nothing_of_mpi_is_a_dependency() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none"]);
    let tree = tree.current_dir(root).output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains("wgpu"), "{tree}");
    let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap();
    for name in ["mpi", "mpi-sys", "build-probe-mpi", "bindgen", "clang-sys"] {
        assert!(lock.contains(&format!("name = \"{name}\"\n")), "{name} has another name");
        assert!(!crates.contains(name), "{name}");
    }
}

#[test]
fn the_adapters_of_several_processes_are_shown() {
    let place = Place::new();
    let table = place.run("devices --ranks 3").done();
    place.run("devices --ranks").done();
    place.run("devices --ranks 0").no_usage("0 is not in 1..");
    let used: serde_json::Value =
        serde_json::from_str(&place.run("devices --ranks 3 --json").done()).unwrap();
    assert_eq!(used["ranks"].as_array().unwrap().len(), 3, "{used}");
    assert!(
        table.contains("local") && table.contains(" rank ") && table.lines().count() >= 4,
        "{table}"
    );
}
