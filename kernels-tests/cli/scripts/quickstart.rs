//! Runs `./quickstart.sh` in a clone of the few files that it needs. A stand-in for cargo provides the
//! binary of these tests: nothing is built or fetched.
use super::{Ended, ROOT, program};
use serde_json::Value;
use std::{fs, path::Path, path::PathBuf, process::Command};
use tempfile::TempDir;

/// Stand-in for cargo. `$T/interrupt-PHASE` makes that phase end once as Ctrl-C would: training before
/// its first step is done or soon after, while most of its [`STEPS`] lie ahead. The signal is TERM,
/// because background processes of a shell ignore Ctrl-C. With `$T/fetched` CIFAR-10 is present, and
/// the training command is printed instead of run.
const CARGO: &str = r#"interrupted() { [ -e "$T/interrupt-$1" ] && rm "$T/interrupt-$1"; }
case $* in
--version) echo "cargo 1.999.0 (stand-in)" ;;
build*) if interrupted build; then exit 130; fi ;;
*"-- data fetch "*) if interrupted data; then exit 130; else [ -e "$T/fetched" ]; fi ;;
*"-- train "*) shift 4
    if [ -e "$T/fetched" ]; then echo "$*"; exit; fi
    if ! interrupted train; then exec "$NF" "$@"; fi
    "$NF" "$@" &
    while kill -0 $! 2>/dev/null && [ ! -e runs/quickstart/metrics.jsonl ]; do sleep 0.02; done
    kill -TERM $!; wait $! ;;
*) shift 4; exec "$NF" "$@" ;;
esac"#;

/// Enough steps that a busy machine does not finish them before the stand-in has seen the first.
const STEPS: usize = 60;

/// A clone.
struct Clone(TempDir);

impl Clone {
    fn new() -> Self {
        let clone = Self(tempfile::tempdir().unwrap());
        for file in [
            "quickstart.sh",
            "Cargo.toml",
            "scripts/common.sh",
            "scripts/driver.sh",
            "models/vgg-small-fashion.safetensors",
        ] {
            let to = clone.path("clone").join(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(Path::new(ROOT).join(file), to).unwrap();
        }
        program(&clone.path("bin/cargo"), CARGO);
        clone
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file of the run.
    fn run(&self, name: &str) -> PathBuf {
        self.path("clone/runs/quickstart").join(name)
    }

    fn quickstart(&self, from: &str, arguments: &str) -> Ended {
        let mut script = Command::new(self.path("clone/quickstart.sh"));
        script.args(arguments.split_whitespace()).current_dir(self.path(from));
        let path = std::env::var_os("PATH").unwrap();
        let folders = [self.path("bin")].into_iter().chain(std::env::split_paths(&path));
        script.env("PATH", std::env::join_paths(folders).unwrap()).env("T", self.0.path());
        script.env("NF", env!("CARGO_BIN_EXE_nf-gpu")).env("NF_GPU_NO_TUNE", "1");
        script.env_remove("CARGO_TARGET_DIR");
        Ended::of(&mut script)
    }

    fn interrupts(&self, phase: &str, arguments: &str) {
        let flag = self.path(&format!("interrupt-{phase}"));
        fs::write(&flag, "").unwrap();
        let ended = self.quickstart("clone", arguments);
        assert_eq!(ended.code, Some(130), "{phase}: {ended:?}");
        assert!(!flag.exists(), "{phase} was not reached: {ended:?}");
    }
}

/// The last line of the table.
fn row(ended: &Ended) -> String {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn interrupted_in_each_phase_and_run_again() {
    let clone = Clone::new();
    // No checkpoint is made except by the interruption.
    let small = format!(
        "--steps {STEPS} --batch-size 2 --images 20 --checkpoint-every {STEPS} --eval-every {STEPS}"
    );
    clone.interrupts("build", &small);
    clone.interrupts("data", &small);
    assert!(!clone.run("config.toml").exists());
    clone.interrupts("train", &small);
    assert!(clone.run("checkpoint.safetensors").exists());
    let steps = || {
        let lines = fs::read_to_string(clone.run("metrics.jsonl")).unwrap();
        lines.lines().filter(|line| line.contains("\"step\"") && line.contains("loss")).count()
    };
    assert!((1..STEPS).contains(&steps()), "{} steps", steps());

    // The second call continues what is there.
    let trained = clone.quickstart("clone", "");
    let first = row(&trained);
    assert!(trained.stderr.contains("going on with runs/quickstart"), "{trained:?}");
    assert_eq!(steps(), STEPS);
    for name in ["images.png", "curves.svg", "report.html", "eval.json"] {
        assert!(clone.run(name).exists(), "no {name}");
        assert!(trained.stderr.contains(&format!("runs/quickstart/{name}")), "{trained:?}");
    }

    // The third call evaluates: with the same chip, faults and images the numbers are the same.
    let again = clone.quickstart("clone", "");
    assert!(row(&again).starts_with(&first), "{first:?} and then {again:?}");
    // The same flags give the same result, and flags that contradict the run are refused.
    let same = clone.quickstart("clone", &small);
    assert_eq!(row(&same), first);
    assert!(same.stderr.contains("=== evaluate runs/quickstart"), "{same:?}");
    let other = clone.quickstart("clone", "--chip 2");
    assert_eq!(other.code, Some(2), "{other:?}");
    assert!(other.stderr.contains("--chip: the run began with 1, not 2"), "{other:?}");
    assert!(other.stderr.contains("to begin anew: rm -r runs/quickstart, then "), "{other:?}");
}

#[test]
fn with_cifar10_it_tunes_a_generator_of_many_chips_for_one() {
    let clone = Clone::new();
    fs::write(clone.path("fetched"), "").unwrap();
    let init = |name: &str| format!("models/{name}-vgg11-cifar10.safetensors");
    for name in ["convs", "unets"] {
        fs::write(clone.path("clone").join(init(name)), "").unwrap();
    }
    fs::write(clone.path("clone/map.csv"), "").unwrap();
    let base = "--base models/vgg11-cifar10.safetensors --dataset cifar10 --out runs/quickstart";
    let (unets, convs) = (init("unets"), init("convs"));
    for (arguments, before) in [
        ("", format!("--chip 1 --ber 0.01 --faults reference --init {unets} {base}")),
        (
            "--generator ConvS",
            format!("--chip 1 --ber 0.01 --faults reference --init {convs} {base}"),
        ),
        // Without a generator trained for it, the training begins with random weights.
        ("--generator DeConvS", format!("--chip 1 --ber 0.01 --faults reference {base}")),
        ("--chip=2 --init x", format!("--ber 0.01 --faults reference {base}")),
        ("--ber 0.005", format!("--chip 1 --faults reference --init {unets} {base}")),
        // A measured map and other fault models keep their own rate.
        ("--chip map.csv", format!("--init {unets} {base}")),
        ("--faults=flip", format!("--chip 1 --init {unets} {base}")),
        ("--lot 3", format!("--init {unets} {base}")),
    ] {
        let line = row(&clone.quickstart("clone", arguments));
        assert_eq!(line, format!("train --preset quick {before} {arguments}").trim_end());
    }
    let own = "--base x.safetensors";
    let line = row(&clone.quickstart("clone", own));
    assert_eq!(line, format!("train --preset quick --chip 1 --out runs/quickstart {own}"));
}

#[test]
fn a_mismatch_that_was_allowed_stays_so() {
    let clone = Clone::new();
    // A data set with class names that the network does not have, given relative to the caller's
    // folder.
    crate::cli::folder(&clone.path("lab/set"), 2, |class| format!("thing {class}"));
    let small = "--steps 1 --batch-size 2 --images 10 --base ../clone/models/vgg-small-fashion.safetensors \
                 --allow-mismatch --dtype f16 --dataset set";
    let first = row(&clone.quickstart("lab", small));
    let again = clone.quickstart("lab", "");
    assert!(row(&again).starts_with(&first), "{first:?} and then {again:?}");
}

#[test]
fn only_files_of_flags_that_take_files_are_those_of_the_user() {
    let clone = Clone::new();
    fs::create_dir_all(clone.path("lab/fashion-sample")).unwrap();
    // Files with the names of values must not be mistaken for values.
    for name in ["1", "2", "10", "none", "features.0*"] {
        fs::write(clone.path("lab").join(name), "").unwrap();
    }
    let cells = |name: &str, first: usize| {
        let row: Vec<_> = (0..64).map(|c| if c % 9 == first { "1" } else { "0" }).collect();
        let text = (row.join(",") + "\n").repeat(64);
        fs::write(clone.path("lab").join(name), text).unwrap();
    };
    cells("ones.csv", 0);
    cells("zeros.csv", 1);
    let small = "--steps 1 --batch-size 2 --images 10 --augment none --layers features.0* --chip=1 \
                 --dataset fashion-sample --base ../clone/models/vgg-small-fashion.safetensors";
    row(&clone.quickstart("lab", small));
    fs::remove_dir_all(clone.run("")).unwrap();
    for map in ["--chip ones.csv,zeros.csv", "--fault-map=ones.csv,zeros.csv"] {
        let small = small.replace("--chip=1", map) + " --profile trace.json";
        let first = row(&clone.quickstart("lab", &small));
        assert!(clone.path("lab/trace.json").exists());
        assert_eq!(row(&clone.quickstart("lab", &small)), first);
        fs::remove_dir_all(clone.run("")).unwrap();
    }
    // The data sets that the script knows are those of the program.
    let script = fs::read_to_string(Path::new(ROOT).join("quickstart.sh")).unwrap();
    let known: Vec<_> =
        nf_gpu::data::known().map(|info| format!("--dataset={}", info.name)).collect();
    assert!(known.iter().all(|name| script.contains(name.as_str())), "{known:?}");
    assert_eq!(script.matches("--dataset=").count(), known.len() + 1);
}

#[test]
fn a_measured_map_lies_where_the_user_is() {
    let clone = Clone::new();
    fs::create_dir(clone.path("lab")).unwrap();
    let line = |row: usize| {
        (0..512).map(move |c| if (c * 31 + row * 17).is_multiple_of(50) { "1" } else { "0" })
    };
    let csv: Vec<String> =
        (0..256).map(|row| line(row).collect::<Vec<_>>().join(",") + "\n").collect();
    fs::write(clone.path("lab/map.csv"), csv.concat()).unwrap();
    let small = "--steps 1 --batch-size 2 --images 20 --chip map.csv";
    let trained = clone.quickstart("lab", small);
    let first = row(&trained);
    let record: Value = serde_json::from_slice(&fs::read(clone.run("eval.json")).unwrap()).unwrap();
    assert_eq!(record["perturbed"][0]["faults"], "profile", "{record:#}");
    let again = clone.quickstart("lab", "");
    assert!(row(&again).starts_with(&first), "{first:?} and then {again:?}");
}

#[test]
fn what_the_script_decides_itself_is_not_for_arguments() {
    let clone = Clone::new();
    for flag in ["--out elsewhere", "--resume=runs/x"] {
        let ended = clone.quickstart("clone", flag);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("error: the quickstart writes to runs/quickstart"));
    }
    let help = clone.quickstart("clone", "--help");
    assert_eq!((help.code, &*help.stderr), (Some(0), ""), "{help:?}");
    assert!(help.stdout.contains("./quickstart.sh --chip map.npy"), "{help:?}");
}
