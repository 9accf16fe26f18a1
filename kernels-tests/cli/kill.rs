//! A run that is killed at any moment is resumed without any difference in its results.
#![cfg(unix)]
use super::{Place, ended};
use crate::{extent::drawn, runs::generator_bits};
use nf_gpu::{fault::philox4x32_10, files::Weights};
use std::{
    fs,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

/// The run has a checkpoint after every step, so that many kills hit the writing of a checkpoint.
const LINE: &str = "train --base base.safetensors --steps 12 --batch-size 2 --copies 2 --ber 0.02 --seed 9 \
                    --checkpoint-every 1 --eval-every 5 --images 4";
/// Number of kills; `NF_GPU_KILLS=50` for more.
const KILLS: u64 = 12;

/// Steps and evaluations of a run, without their times.
fn metrics(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let timeless = |line: &str| {
        let mut line: serde_json::Map<_, _> = serde_json::from_str(line).unwrap();
        line.retain(|key, _| {
            !["time", "images_per_s", "step_ms", "seconds_left"].contains(&&**key)
        });
        serde_json::to_string(&line).unwrap()
    };
    text.lines().map(timeless).collect()
}

#[test]
#[ignore = "in ./test.sh --all: a dozen kills, each of a run that begins anew"]
fn a_run_killed_at_any_moment_goes_on_to_the_same_weights() {
    let kills = drawn("NF_GPU_KILLS", KILLS, KILLS);
    let place = Place::of_few_images();
    place.run(&format!("{LINE} --out whole")).done();
    let whole = place.path("whole");
    let (weights, lines) = (generator_bits(&whole), metrics(&whole));
    // The first run compiles for all later runs: measured by its time, most of them would end
    // before the kill.
    let began = Instant::now();
    place.run(&format!("{LINE} --out again")).done();
    let mut length = began.elapsed();
    assert!(weights == generator_bits(&place.path("again")));

    let mut random =
        (0..).map(|i| f64::from(philox4x32_10([i, 0, 0, 0], [50, 0])[0]) / 2f64.powi(32));
    let (mut killed, mut finished) = (0, 0);
    while killed < kills || finished == 0 {
        let run = format!("run{finished}");
        let begun = place.path(&run).join("config.toml").exists();
        let line =
            if begun { format!("train --resume {run}") } else { format!("{LINE} --out {run}") };
        let mut child =
            place.nf(&line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let moment = length.mul_f64(random.next().unwrap());
        let began = Instant::now();
        while killed < kills && began.elapsed() < moment && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        if killed < kills && child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            ended(child, &line);
            killed += 1;
            continue;
        }
        let ended = ended(child, &line);
        if !begun {
            length = length.min(began.elapsed());
        }
        assert_eq!(ended.code, Some(0), "after {killed} kills: {ended:?}");
        let run = place.path(&run);
        assert!(weights == generator_bits(&run), "after {killed} kills");
        assert_eq!(metrics(&run), lines, "after {killed} kills");
        let part = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(".part");
        let left = fs::read_dir(&run).unwrap().filter(|e| part(&e.as_ref().unwrap().file_name()));
        assert_eq!(left.count(), 0, "temporary files are left after {killed} kills");
        finished += 1;
    }
    eprintln!(
        "{killed} kills, {finished} runs went on to their ends, {length:?} each without kills"
    );
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before_it() {
    let place = Place::of_few_images();
    // Trained for one chip: fresh maps would mean ten maps at the end of each run, and prove no
    // more.
    let chip = LINE.replace("--copies 2", "--chip 2");
    let steps = |n: u32| chip.replace("--steps 12", &format!("--steps {n}"));
    place.run(&format!("{} --out whole", steps(3))).done();
    place.run(&format!("{} --out run", steps(2))).done();
    let run = place.path("run");
    let (last, previous) =
        (run.join("checkpoint.safetensors"), run.join("checkpoint-previous.safetensors"));
    let step = |path: &Path| Weights::load(path).unwrap().meta("step").unwrap().to_owned();
    assert_eq!((step(&last), step(&previous)), ("2".into(), "1".into()));
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    fs::write(run.join("config.toml"), config.replace("steps = 2", "steps = 3")).unwrap();
    let whole = fs::read(&last).unwrap();
    let mut flipped = whole.clone();
    // Flips a bit in the middle of the numbers, where only the digest can reveal it.
    let at = flipped.len() / 2;
    flipped[at] ^= 1;
    for (i, damaged) in [&flipped[..], &whole[..whole.len() - 1], &[]].into_iter().enumerate() {
        let copy = format!("copy{i}");
        fs::create_dir(place.path(&copy)).unwrap();
        for name in ["config.toml", "metrics.jsonl", "checkpoint-previous.safetensors"] {
            fs::copy(run.join(name), place.path(&copy).join(name)).unwrap();
        }
        fs::write(place.path(&copy).join("checkpoint.safetensors"), damaged).unwrap();
        let ended = place.run(&format!("train --resume {copy}"));
        let says = "going on from the checkpoint before it, of step 1";
        assert!(ended.stderr.contains(says), "{ended:?}");
        ended.done();
        let of = |run: &str| generator_bits(&place.path(run));
        assert!(of(&copy) == of("whole"), "{i}");
    }
    // Both are damaged: an error, and nothing is lost.
    fs::write(&last, &flipped).unwrap();
    fs::write(&previous, &flipped).unwrap();
    let before = place.files();
    place
        .run("train --resume run")
        .refused(1, &["checkpoint.safetensors: it is damaged", "SHA-256"]);
    assert_eq!(place.files(), before);
}
