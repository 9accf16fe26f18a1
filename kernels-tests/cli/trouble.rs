//! Lost devices and other trouble, as a user sees them.
use super::{Ended, Place};
use std::fs;

const TRAIN: &str = "train --base base.safetensors --steps 2 --batch-size 2 --chip 3 --images 2 \
                     --checkpoint-every 1 --out run";

#[test]
fn a_lost_device_is_said_and_the_run_goes_on() {
    let place = Place::new();
    let ended = Ended::of(place.nf(TRAIN).env("NF_GPU_TROUBLE", "lose@submit:14"));
    for part in ["the GPU device was lost", "again (1 of 3)", "recovery 1: ", "going on after step"]
    {
        assert!(ended.stderr.contains(part), "no {part:?} in {}", ended.stderr);
    }
    ended.done();
    let read = |name: &str| fs::read_to_string(place.path(name)).unwrap();
    assert!(read("run/metrics.jsonl").contains("\"event\":\"recovery\""));
    assert!(read("run/recoveries.json").contains("\"recovery\": 1"));
    assert!(place.path("run/generator.safetensors").exists());
}

#[test]
fn trouble_without_end_is_one_error_and_a_hint() {
    let place = Place::new();
    let line = format!("{TRAIN} --quiet --max-recoveries 1");
    let ended = Ended::of(place.nf(&line).env("NF_GPU_TROUBLE", "vanish@submit:14"));
    ended.refused(1, &["is gone", "--resume"]);
    let ended =
        Ended::of(place.nf(&line.replace("run", "b")).env("NF_GPU_TROUBLE", "memory@buffer:2+"));
    ended.refused(1, &["no memory is left", "bytes", "--batch-size"]);
    let ended = Ended::of(place.nf("devices").env("NF_GPU_TROUBLE", ""));
    ended.done();
    let ended = Ended::of(place.nf(TRAIN).env("NF_GPU_TROUBLE", "what"));
    ended.refused(2, &["NF_GPU_TROUBLE"]);
}
