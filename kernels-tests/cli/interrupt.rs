//! Ctrl-C, and runs that are resumed without any difference in their results.
#![cfg(unix)]
use super::{PATIENCE, Place, ended, send, until, wait_for};
use nf_gpu::{
    Error,
    files::Weights,
    gpu::AdapterChoice,
    report::{Event, Sink},
    run::Gpu,
    train::{TrainConfig, train},
};
use std::{
    cell::Cell,
    fs,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// An interrupted and resumed run gives the generator of one that was left alone.
fn resumes(maps: &str) {
    let place = Place::of_few_images();
    let line = format!(
        "train --base base.safetensors --batch-size 2 --augment reference --seed 9 --checkpoint-every 1 \
         --images 4 {maps} --steps"
    );
    // The run is too long to end within a test, so that Ctrl-C always interrupts it.
    let ended = place.interrupted(&format!("{line} 100000 --out stopped"), "stopped/state.json");
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.ends_with("error: interrupted\n"), "{ended:?}");
    assert_eq!(ended.stdout, "");
    let checkpoint = Weights::load(place.path("stopped/checkpoint.safetensors")).unwrap();
    let done: u64 = checkpoint.meta("step").unwrap().parse().unwrap();
    // The steps of the metrics, with their losses.
    let losses = |run: &str| -> Vec<(u64, f64)> {
        let lines = fs::read_to_string(place.path(run).join("metrics.jsonl")).unwrap();
        let value = |line: &str| -> serde_json::Value { serde_json::from_str(line).unwrap() };
        let lines = lines.lines().map(value).filter(|v| v["event"] == "step");
        lines.map(|v| (v["step"].as_u64().unwrap(), v["loss_clean"].as_f64().unwrap())).collect()
    };
    // A run of this many steps reports every tenth.
    let mut noted: Vec<u64> = (10..=done).step_by(10).collect();
    let steps = |run: &str| losses(run).into_iter().map(|(step, _)| step).collect::<Vec<_>>();
    assert_eq!(steps("stopped"), noted);
    assert!(!place.path("stopped/generator.safetensors").exists());

    // The reference's schedule does not depend on the run's length.
    let end = done + 2;
    place.run(&format!("train --resume stopped --steps {end}")).done();
    // A run of a few steps reports all of them.
    noted.extend((done + 1..=end).filter(|step| step.is_multiple_of((end / 50).clamp(1, 10))));
    noted.extend((!noted.contains(&end)).then_some(end));
    assert_eq!(steps("stopped"), noted);
    place.run(&format!("{line} {end} --out whole")).done();
    let all = losses("whole");
    for (step, loss) in losses("stopped") {
        let other = all.iter().find(|(other, _)| *other == step);
        assert!(other.is_none_or(|(_, other)| *other == loss), "step {step}: {loss}, {other:?}");
    }
    let generator =
        |run: &str| Weights::load(place.path(run).join("generator.safetensors")).unwrap();
    let (resumed, whole) = (generator("stopped"), generator("whole"));
    assert_eq!(resumed.metadata, whole.metadata);
    for (name, tensor) in &whole.tensors {
        let bits = |data: &[f32]| data.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&resumed.tensors[name].data), bits(&tensor.data), "{name}");
    }
    let eval = |run: &str| fs::read_to_string(place.path(run).join("eval.json")).unwrap();
    // It says which file was evaluated.
    assert_eq!(eval("stopped").replace("stopped/generator", "whole/generator"), eval("whole"));

    // A checkpoint of other faults, settings or another base is refused, and the run stays unchanged.
    let config = place.path("stopped/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("bits = \"0-6\"\n{text}")).unwrap();
    place.run("train --resume stopped").refused(1, &["another run", "faults was", "bits 0-6"]);
    fs::write(&config, text.replace("lr = 0.001", "lr = 0.25")).unwrap();
    place.run("train --resume stopped").refused(1, &["another run: lr was 0.001, now 0.25"]);
    fs::write(&config, text).unwrap();
    place.give_base(2);
    let before = place.files();
    place.run("train --resume stopped").refused(1, &["another run: base network was vgg-small"]);
    assert_eq!(place.files(), before);
}

#[test]
fn a_resumed_run_for_one_chip_is_the_same_bit_for_bit() {
    resumes("--chip 3");
}

#[test]
fn a_resumed_run_with_fresh_maps_is_the_same_bit_for_bit() {
    resumes("--copies 2 --ber 0.02");
}

#[test]
fn an_interrupted_pretraining_keeps_what_it_reached() {
    let place = Place::new();
    let line = "pretrain --model vgg-small --dataset fashion-sample --steps 2000 --batch-size 2 \
                --out b.safetensors --metrics run/state.json";
    fs::create_dir(place.path("run")).unwrap();
    let ended = place.interrupted(line, "run/state.json");
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(Weights::load(place.path("b.safetensors")).unwrap().meta("accuracy").is_some());
}

const ENDLESS: &str = "train --base base.safetensors --steps 100000 --batch-size 2 --chip 1 --images 10 \
                       --checkpoint-every 100000 --quiet --out";

/// Sends signals to a run in its first steps and waits for its end. The run makes a checkpoint only
/// because of these signals.
fn ended_by(place: &Place, run: &str, signals: &[&str]) {
    let line = format!("{ENDLESS} {run}");
    let mut child = place.heeding(&line).stderr(Stdio::null()).spawn().unwrap();
    wait_for(&place.path(run).join("metrics.jsonl"), &mut child);
    signals.iter().for_each(|signal| send(signal, &child));
    assert_eq!(ended(child, &line).code, Some(130), "{signals:?}");
    let checkpoint = Weights::load(place.path(run).join("checkpoint.safetensors")).unwrap();
    let state = fs::read_to_string(place.path(run).join("state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let step = state["step"].as_u64().unwrap().to_string();
    assert_eq!(checkpoint.meta("step"), Some(&*step), "{signals:?}");
}

#[test]
fn whatever_asks_a_run_to_end_leaves_a_checkpoint() {
    let place = Place::new();
    for (i, signals) in [
        // A polite kill, and a terminal that is closed.
        &["-TERM"][..],
        &["-HUP"],
        // tmux and systemd; `timeout`; a batch system, also of a job that was stopped.
        &["-HUP", "-TERM"],
        &["-STOP", "-TERM", "-CONT"],
        // All at once, however slowly they are sent: a stopped process hears them together when it goes on.
        &["-STOP", "-TERM", "-INT", "-HUP", "-CONT"],
        &["-USR1"],
        &["-USR2", "-TERM"],
        &["-XCPU", "-XCPU"],
    ]
    .into_iter()
    .enumerate()
    {
        ended_by(&place, &format!("run{i}"), signals);
    }
}

/// A sink that notes the first step.
struct Heard<'a>(&'a Cell<bool>, Vec<Event>);

impl Sink for Heard<'_> {
    fn event(&mut self, event: &Event) -> nf_gpu::Result<()> {
        self.0.set(self.0.get() || matches!(event, Event::Step(_)));
        self.1.event(event)
    }
}

#[test]
fn an_evaluation_on_the_way_is_broken_off_and_looked_at_again() {
    let place = Place::of_few_images();
    let gpu = Gpu::open(&AdapterChoice::default()).unwrap();
    let config = |run: &str| {
        let line = format!(
            "--base {} --steps 2 --batch-size 2 --chip 3 --eval-every 1 --checkpoint-every 1000 --images 2 --out {}",
            place.path("base.safetensors").display(),
            place.path(run).display()
        );
        TrainConfig::from_flags(line.split_whitespace().map(Into::into)).unwrap()
    };
    let mut events: Vec<Event> = Vec::new();
    train(&gpu, &config("whole"), &mut events, &|| false).unwrap();
    let asked = Cell::new(false);
    let mut heard = Heard(&asked, Vec::new());
    let stopped = train(&gpu, &config("run"), &mut heard, &|| asked.get());
    assert!(matches!(stopped, Err(Error::Interrupted)));
    assert!(!heard.1.iter().any(|event| matches!(event, Event::Evaluated(_))), "{:?}", heard.1);
    let checkpoint = Weights::load(place.path("run/checkpoint.safetensors")).unwrap();
    assert_eq!(checkpoint.meta("step"), Some("1"));

    let again = TrainConfig { resume: Some(place.path("run")), ..config("run") };
    train(&gpu, &again, &mut events, &|| false).unwrap();
    let read = |run: &str, name: &str| fs::read(place.path(run).join(name)).unwrap();
    assert!(read("run", "generator.safetensors") == read("whole", "generator.safetensors"));
    let seen = |run: &str| -> Vec<_> {
        let lines = nf_gpu::report::jsonl::load(place.path(run).join("metrics.jsonl")).unwrap();
        let lines = lines.into_iter().filter_map(|line| line.event);
        lines.filter(|event| matches!(event, Event::Evaluated(_))).collect()
    };
    assert_eq!(seen("run"), seen("whole"));
    assert_eq!(seen("run").len(), 2);
}

#[test]
fn what_was_ignored_at_the_start_stays_ignored() {
    let place = Place::new();
    let line = "train --base base.safetensors --steps 3 --batch-size 2 --chip 1 --images 10 --quiet --out run";
    // Some signals are ignored, as under `nohup` and for background processes of a shell without job
    // control.
    let mut child = place.shell("trap '' HUP INT;", line).stdout(Stdio::null()).spawn().unwrap();
    wait_for(&place.path("run/metrics.jsonl"), &mut child);
    ["-HUP", "-INT", "-HUP"].iter().for_each(|signal| send(signal, &child));
    assert_eq!(ended(child, line).code, Some(0));
    assert!(place.path("run/generator.safetensors").exists());

    let line = format!("{ENDLESS} other");
    let mut child = place.shell("trap '' HUP INT;", &line).spawn().unwrap();
    wait_for(&place.path("other/metrics.jsonl"), &mut child);
    ["-HUP", "-TERM"].iter().for_each(|signal| send(signal, &child));
    assert_eq!(ended(child, &line).code, Some(130));
    assert!(place.path("other/checkpoint.safetensors").exists());
}

/// A named pipe, at which whoever opens it waits.
fn fifo(place: &Place, name: &str) {
    assert!(Command::new("mkfifo").arg(place.path(name)).status().unwrap().success());
}

#[test]
fn the_same_signal_again_leaves_at_once() {
    let place = Place::new();
    fifo(&place, "out.json");
    let line = "eval --base base.safetensors --images 2 --seeds 1 --logits l.npy --out out.json";
    let mut child = place.heeding(line).stderr(Stdio::null()).spawn().unwrap();
    // Nothing after the logits is written, because nobody reads the pipe.
    wait_for(&place.path("l.npy"), &mut child);
    // An impatient user presses Ctrl-C repeatedly: within a second this counts as one request.
    let began = Instant::now();
    until("the same signal again and again does not end it", &mut child, |child| {
        send("-INT", child);
        thread::sleep(Duration::from_millis(100));
        false
    });
    let took = began.elapsed();
    assert_eq!(ended(child, line).code, Some(130));
    assert!(took >= Duration::from_secs(1), "it left after {took:?}");
}

#[test]
fn a_command_with_nothing_to_keep_ends_at_once() {
    let place = Place::new();
    fifo(&place, "out.safetensors");
    for signal in ["-INT", "-TERM", "-HUP", "-USR1"] {
        let line = "inject --base base.safetensors --ber 0.01 --out out.safetensors";
        let mut child = place.heeding(line).stderr(Stdio::null()).spawn().unwrap();
        // The pipe opens when the command reaches this output, of which it then writes more than the
        // pipe holds. A separate thread opens it, because a command that never gets there would block
        // the test.
        let ((opened, reader), pipe) = (mpsc::channel(), place.path("out.safetensors"));
        thread::spawn(move || opened.send(fs::File::open(pipe).unwrap()));
        let Ok(_reader) = reader.recv_timeout(PATIENCE) else {
            child.kill().unwrap();
            panic!("{line} never writes");
        };
        send(signal, &child);
        assert_eq!(ended(child, line).code, Some(130), "{signal}");
    }
}

#[test]
fn an_interrupted_measurement_keeps_what_it_has() {
    let place = Place::new();
    let (line, shown) = ("bench --steps --quick --batch-size 1 --copies 1 --out r.json", "shown");
    let mut command = place.heeding(line);
    let stdout = fs::File::create(place.path(shown)).unwrap();
    let mut child = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    let printed = || fs::read_to_string(place.path(shown)).unwrap();
    until("no step is shown", &mut child, |_| printed().contains("eopm/ConvS"));
    send("-INT", &child);
    let ended = ended(child, line);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let report = fs::read_to_string(place.path("r.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert!((1..6).contains(&report["steps"].as_array().unwrap().len()), "{report}");
    assert_eq!(report["warnings"][0], "this report is not complete: interrupted");
}
