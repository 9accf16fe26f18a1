//! Ctrl-C, and runs that go on as if nothing had happened.
#![cfg(unix)]
use super::{Ended, Place, wait_for};
use nf_gpu::files::Weights;
use std::{
    fs,
    process::{Child, Command, Stdio},
};

const STEPS: usize = 12;

/// Sends a signal.
fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success(), "{signal}");
}

/// Starts `line`, presses Ctrl-C when it has written its first checkpoint, and waits for its end.
fn interrupted(place: &Place, line: &str, run: &str) -> Ended {
    let mut child = place.nf(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&place.path(run).join("state.json"), &mut child);
    send("-INT", &child);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// An interrupted and resumed run gives the generator of one that was left alone.
fn resumes(maps: &str) {
    let place = Place::of_few_images();
    let line = format!(
        "train --base base.safetensors --steps {STEPS} --batch-size 2 --augment reference --seed 9 \
         --checkpoint-every 1 --images 4 {maps} --out"
    );
    let ended = interrupted(&place, &format!("{line} stopped"), "stopped");
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.ends_with("error: interrupted\n"), "{ended:?}");
    assert_eq!(ended.stdout, "");
    let steps = || -> Vec<u64> {
        let lines = fs::read_to_string(place.path("stopped/metrics.jsonl")).unwrap();
        let value = |line: &str| -> serde_json::Value { serde_json::from_str(line).unwrap() };
        let lines = lines.lines().map(value).filter(|v| v["event"] == "step");
        lines.map(|v| v["step"].as_u64().unwrap()).collect()
    };
    let done = steps().len();
    assert!((1..STEPS).contains(&done), "stopped after {done} steps");
    let checkpoint = Weights::load(place.path("stopped/checkpoint.safetensors")).unwrap();
    assert_eq!(checkpoint.meta("step"), Some(done.to_string().as_str()));
    assert!(!place.path("stopped/generator.safetensors").exists());

    place.run("train --resume stopped").done();
    assert_eq!(steps(), (1..=STEPS as u64).collect::<Vec<_>>());
    place.run(&format!("{line} whole")).done();
    let generator =
        |run: &str| Weights::load(place.path(run).join("generator.safetensors")).unwrap();
    let (resumed, whole) = (generator("stopped"), generator("whole"));
    assert_eq!(resumed.metadata, whole.metadata);
    for (name, tensor) in &whole.tensors {
        let bits = |data: &[f32]| data.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&resumed.tensors[name].data), bits(&tensor.data), "{name}");
    }
    let eval = |run: &str| fs::read_to_string(place.path(run).join("eval.json")).unwrap();
    assert_eq!(eval("stopped"), eval("whole"));

    // One of other faults is refused, and one of other settings or of another base, and the run stays as
    // it is.
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
    let ended = interrupted(&place, line, "run");
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(Weights::load(place.path("b.safetensors")).unwrap().meta("accuracy").is_some());
}

#[test]
fn a_polite_kill_is_an_interruption_and_a_second_ctrl_c_leaves_at_once() {
    let place = Place::of_few_images();
    let line = "train --base base.safetensors --steps 100000 --batch-size 2 --chip 1 \
                --checkpoint-every 1 --out";
    let start = |run: &str| {
        let mut child = place.nf(&format!("{line} {run}")).stderr(Stdio::null()).spawn().unwrap();
        wait_for(&place.path(run).join("state.json"), &mut child);
        child
    };
    let mut child = start("polite");
    send("-TERM", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let checkpoint = Weights::load(place.path("polite/checkpoint.safetensors")).unwrap();
    let state = fs::read_to_string(place.path("polite/state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    assert_eq!(Some(&*state["step"].to_string()), checkpoint.meta("step"));

    // The first one is waited for, or two would be one.
    let mut child = start("hasty");
    send("-INT", &child);
    std::thread::sleep(std::time::Duration::from_millis(20));
    if child.try_wait().unwrap().is_none() {
        send("-INT", &child);
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
