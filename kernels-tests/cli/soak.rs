//! A long run needs no more memory and file handles than at its tenth step, and reports every step.
#![cfg(target_os = "linux")]
use super::{Place, ended, send};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

/// Least length of the run here; `NF_GPU_SOAK=7200` for two hours.
const SECONDS: u64 = 5;
/// Intervals, in steps, of reported losses, evaluations and checkpoints.
const REPORT: u64 = 10;
const EVALUATE: u64 = 20;
const CHECKPOINT: u64 = 10;
/// Steps of the shortest run.
const STEPS: u64 = 3 * EVALUATE;
/// Fluctuation of the memory that malloc and the driver hold, in KiB.
const NOISE: u64 = 8 << 10;

/// State of the process at a moment, as the system reports it.
#[derive(Clone, Copy, Debug)]
struct Moment {
    seconds: u64,
    step: u64,
    /// Resident memory now, and its peak so far.
    rss_kib: u64,
    peak_kib: u64,
    threads: u64,
    handles: usize,
}

impl Moment {
    /// `None` when the process has ended.
    fn of(pid: u32, run: &Path, began: Instant) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let number = |key: &str| -> Option<u64> {
            let line = status.lines().find(|line| line.starts_with(key))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        let handles = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
        Some(Self {
            seconds: began.elapsed().as_secs(),
            step: steps(run).into_iter().max().unwrap_or(0),
            rss_kib: number("VmRSS:")?,
            peak_kib: number("VmHWM:")?,
            threads: number("Threads:")?,
            handles,
        })
    }
}

fn lines(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn steps_of(lines: &[Value], kind: &str) -> Vec<u64> {
    let of = lines.iter().filter(|line| line["event"] == kind);
    of.map(|line| line["step"].as_u64().unwrap()).collect()
}

fn steps(run: &Path) -> Vec<u64> {
    steps_of(&lines(run), "step")
}

/// Starts the run, observes it until Ctrl-C ends it, and returns the moments after its tenth step.
fn soak(place: &Place, seconds: u64) -> Vec<Moment> {
    // `NF_GPU_SOAK_FLAGS` names a larger network for a soak that means something; by default it is
    // tiny.
    let line = std::env::var("NF_GPU_SOAK_FLAGS").unwrap_or_else(|_| {
        "--base base.safetensors --generator UIP --batch-size 2 --copies 1".to_owned()
    });
    let line = format!(
        "train {line} --steps 10000000 --eval-every {EVALUATE} --checkpoint-every {CHECKPOINT} \
         --images 10 --out run"
    );
    let (run, began) = (place.path("run"), Instant::now());
    let log = fs::File::create(place.path("log")).unwrap();
    let mut child = place.heeding(&line).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let pause = Duration::from_millis((seconds * 1000 / 120).clamp(50, 60_000));
    let (mut moments, mut asked) = (Vec::new(), false);
    while child.try_wait().unwrap().is_none() {
        moments.extend(Moment::of(child.id(), &run, began).filter(|m| m.step >= REPORT && !asked));
        let far = moments.last().is_some_and(|m| m.step >= STEPS);
        if began.elapsed().as_secs() >= seconds && far && !asked {
            send("-INT", &child);
            asked = true;
        }
        if began.elapsed().as_secs() > seconds + 600 {
            child.kill().unwrap();
            panic!("it does not end: {moments:?}");
        }
        thread::sleep(pause);
    }
    let log = fs::read_to_string(place.path("log")).unwrap();
    assert_eq!(ended(child, &line).code, Some(130), "{log}");
    moments
}

#[test]
#[ignore = "in ./test.sh --all: a run that must be long"]
fn a_long_run_takes_the_memory_of_its_tenth_step() {
    let seconds = std::env::var("NF_GPU_SOAK").map_or(SECONDS, |s| s.parse().unwrap());
    let place = Place::of_few_images();
    let moments = soak(&place, seconds);
    let (first, last) = (moments[0], moments[moments.len() - 1]);
    if let Some(file) = std::env::var_os("NF_GPU_SOAK_CSV") {
        let mut csv = "seconds,step,rss_kib,peak_kib,threads,file_handles\n".to_owned();
        for Moment { seconds, step, rss_kib, peak_kib, threads, handles } in &moments {
            writeln!(csv, "{seconds},{step},{rss_kib},{peak_kib},{threads},{handles}").unwrap();
        }
        fs::write(file, csv).unwrap();
    }
    println!("from {first:?}\n  to {last:?}");

    // An evaluation takes memory and returns it; the rehearsal did so after the first step.
    assert!(last.peak_kib <= first.peak_kib + NOISE, "from {first:?} to {last:?}");
    let least = |half: &[Moment]| half.iter().map(|m| m.rss_kib).min().unwrap();
    let (before, after) = moments.split_at(moments.len() / 2);
    assert!(least(after) <= least(before) + NOISE, "from {before:?} to {after:?}");
    let handles: BTreeSet<usize> = moments.iter().map(|m| m.handles).collect();
    // One more handle is open while a file is written.
    assert!(handles.last() <= handles.first().map(|least| least + 1).as_ref(), "{handles:?}");
    assert!(moments.iter().all(|m| m.threads == first.threads), "{moments:?}");

    let lines = lines(&place.path("run"));
    let (noted, evaluated) = (steps_of(&lines, "step"), steps_of(&lines, "evaluation"));
    let end = *noted.last().unwrap();
    let expected = |every: u64, end: u64| (1..=end / every).map(|i| i * every).collect::<Vec<_>>();
    assert_eq!(noted, expected(REPORT, end));
    // Ctrl-C may come between the last step and its evaluation, which is then left to the resumed run.
    assert!(
        evaluated == expected(EVALUATE, end) || evaluated == expected(EVALUATE, end - 1),
        "{evaluated:?} of {end} steps"
    );
}
