//! Measured kernels as a user meets them: the file, the flags, what a run records, the timeline.
use super::{Ended, Place};
use crate::extent::skipped;
use nf_gpu::{files::Weights, gpu, tuning::Choices};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::PathBuf};

const TRAIN: &str = "train --base base.safetensors --generator ConvS --batch-size 2 --chip 1 --images 2 \
                     --eval-every 100";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Files below the cache folder.
fn cached(place: &Place, folder: &str) -> Vec<PathBuf> {
    let root = place.cache.path().join("nf-gpu").join(folder);
    let entries = fs::read_dir(root).into_iter().flatten();
    entries.map(|e| e.unwrap().path()).collect()
}

fn recorded(place: &Place, run: &str) -> Choices {
    let file = place.path(run).join("checkpoint.safetensors");
    serde_json::from_str(Weights::load(file).unwrap().meta("kernels").unwrap()).unwrap()
}

/// Whether this machine's first adapter has several variants to choose among.
fn has_a_choice() -> bool {
    let adapter = &gpu::list()[0];
    let choice = adapter.subgroup == Some([8, 8]) || !adapter.is_software();
    if !choice {
        skipped(&format!("{} runs one variant of each kernel", adapter.line()));
    }
    choice
}

#[test]
fn the_first_run_measures_the_second_knows_and_both_say_what_they_use() {
    if !has_a_choice() {
        return;
    }
    let place = Place::of_few_images();
    let first = place.tuned(&format!("{TRAIN} --steps 2 --out first"));
    assert!(first.stderr.contains("\ntuned ") && first.stderr.contains("--no-tune"), "{first:?}");
    assert!(first.stderr.contains("\n  kernels: conv2d "), "{first:?}");
    first.done();
    let [file] = &cached(&place, "tuning")[..] else { panic!("{:?}", place.cache) };
    let before = fs::read_to_string(file).unwrap();
    let entries = json(&before)["entries"].as_object().unwrap().len();
    assert!(entries > 5, "{before}");
    let second = place.tuned(&format!("{TRAIN} --steps 2 --out second"));
    assert!(!second.stderr.contains("tuned "), "{second:?}");
    second.done();
    assert_eq!(fs::read_to_string(file).unwrap(), before);
    assert_eq!(recorded(&place, "first"), recorded(&place, "second"));
    let generator = |run: &str| fs::read(place.path(run).join("generator.safetensors")).unwrap();
    assert_eq!(generator("first"), generator("second"));

    let devices = Ended::of(place.nf("devices").env("COLUMNS", "400")).done();
    assert!(devices.contains(&format!("{entries} shapes in {}", file.display())), "{devices}");
    let document = json(&place.run("devices --json").done());
    assert_eq!(document["tuning"]["entries"], entries);

    // A broken file leads to one warning, and is replaced.
    fs::write(file, "{").unwrap();
    let third = place.tuned(&format!("{TRAIN} --steps 1 --out third"));
    assert!(third.stderr.contains("is not used: ") && third.stderr.contains("tuned "), "{third:?}");
    third.done();
    assert!(json(&fs::read_to_string(file).unwrap())["entries"].is_object());
}

#[test]
fn nothing_is_measured_where_that_is_asked_for() {
    let place = Place::of_few_images();
    let flag = place.tuned(&format!("{TRAIN} --steps 1 --out flag --no-tune"));
    let variable = place.run(&format!("{TRAIN} --steps 1 --out variable"));
    for ended in [flag, variable] {
        assert!(!ended.stderr.contains("tuned "), "{ended:?}");
        ended.done();
    }
    assert!(cached(&place, "tuning").is_empty());
    assert_eq!(recorded(&place, "flag"), recorded(&place, "variable"));
}

#[test]
fn a_cache_folder_that_cannot_be_written_costs_a_line() {
    if !has_a_choice() {
        return;
    }
    let place = Place::of_few_images();
    fs::write(place.cache.path().join("nf-gpu"), b"a file").unwrap();
    let ended = place.tuned("eval --base base.safetensors --images 20 --seeds 1");
    let lines = ended.stderr.lines().filter(|l| l.contains("are not kept")).count();
    assert_eq!(lines, 1, "{ended:?}");
    ended.done();
}

#[test]
fn variants_by_name() {
    let place = Place::of_few_images();
    let run = |flag: &str, out: &str| {
        place.run(&format!("{TRAIN} --steps 1 --out {out} --kernel-variant {flag}"))
    };
    let all = "conv2d=plain,conv2d_grad_weight=plain,matmul=plain,convolution=direct";
    run(all, "plain").done();
    let choices = recorded(&place, "plain");
    let asked = |(question, choice): (&String, &String)| {
        let algorithm = question.starts_with("convolution ");
        if algorithm { choice == "direct" } else { choice.starts_with("plain@") }
    };
    assert!(choices.0.iter().all(asked), "{choices:?}");
    assert!(!choices.0.is_empty());
    run("conv2d", "a").refused(2, &["--kernel-variant", "has no =", "conv2d="]);
    run("conv2=plain", "a").refused(2, &["unknown kernel", "did you mean conv2d?"]);
    run("conv2d=plan", "a").refused(2, &["unknown variant", "did you mean plain?"]);
    run("convolution=winograt", "a").refused(2, &["algorithm", "did you mean winograd?"]);
    run("add=tile", "a").refused(2, &["unknown variant \"tile\"", "known: plain"]);
    let adapter = &gpu::list()[0];
    if adapter.subgroup == Some([8, 8]) {
        skipped(&format!("{} runs subgroup8", adapter.line()));
    } else {
        run("conv2d=subgroup8", "a").refused(2, &["subgroups of", "this adapter runs plain"]);
    }
}

#[test]
fn a_resumed_run_keeps_the_variants_it_began_with() {
    let place = Place::of_few_images();
    let other = "--kernel-variant conv2d=plain,conv2d_grad_weight=plain,matmul=plain,\
                 convolution=direct";
    let train =
        |steps: u32, out: &str| place.run(&format!("{TRAIN} --steps {steps} --out {out} {other}"));
    train(2, "whole").done();
    train(1, "run").done();
    let config = fs::read_to_string(place.path("run/config.toml")).unwrap();
    let table: BTreeMap<String, toml::Value> = toml::from_str(&config).unwrap();
    let state = json(&fs::read_to_string(place.path("run/state.json")).unwrap());
    let plain = |question: &String, choice: Option<&str>| {
        choice == Some(if question.starts_with("convolution ") { "direct" } else { "plain@64" })
    };
    let kernels = table["kernels"].as_table().unwrap();
    assert!(kernels.iter().all(|(question, v)| plain(question, v.as_str())), "{kernels:?}");
    let kernels = state["kernels"].as_object().unwrap();
    assert!(kernels.iter().all(|(question, v)| plain(question, v.as_str())), "{kernels:?}");

    // With more steps and without the flag, the variant is still `plain`.
    let longer = config.replace("steps = 1", "steps = 2");
    assert_ne!(longer, config);
    fs::write(place.path("run/config.toml"), &longer).unwrap();
    let resumed = place.tuned("train --resume run");
    assert!(resumed.stderr.contains("kernels: conv2d plain@64"), "{resumed:?}");
    resumed.done();
    let generator =
        |run: &str| Weights::load(place.path(run).join("generator.safetensors")).unwrap().tensors;
    assert!(generator("run") == generator("whole"), "other bits after a resume");

    // A recorded variant that does not exist is refused, not replaced.
    let file = place.path("run/checkpoint.safetensors");
    let mut checkpoint = Weights::load(&file).unwrap();
    let kernels = checkpoint.meta("kernels").unwrap().replace("plain@64", "gone@64");
    checkpoint.metadata.insert("kernels".into(), kernels);
    checkpoint.seal().unwrap();
    checkpoint.save(&file).unwrap();
    let refused = place.run("train --resume run");
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("--resume: the run began with conv2d"), "{refused:?}");
    if has_a_choice() && gpu::list()[0].subgroup == Some([8, 8]) {
        let contradiction = "train --resume whole --kernel-variant conv2d=subgroup8";
        let refused = place.run(contradiction);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("the run began with conv2d plain@64"), "{refused:?}");
    }
}

#[test]
fn a_pretraining_that_goes_on_keeps_its_variants() {
    let place = Place::of_few_images();
    let line = "pretrain --model vgg-small --dataset few --steps 2 --batch-size 4 \
                --seed 3 --out b.safetensors --checkpoint c.safetensors";
    place
        .run(&format!("{line} --kernel-variant conv2d=plain,conv2d_grad_weight=plain,matmul=plain"))
        .done();
    let again = place.run(line);
    assert!(again.stderr.contains("kernels: conv2d plain@64"), "{again:?}");
    again.done();
    let file = place.path("c.safetensors");
    let mut checkpoint = Weights::load(&file).unwrap();
    let kernels = checkpoint.meta("kernels").unwrap().replace("plain@64", "plain@7");
    checkpoint.metadata.insert("kernels".into(), kernels);
    checkpoint.seal().unwrap();
    checkpoint.save(&file).unwrap();
    let refused = place.run(line);
    assert!(refused.stderr.contains("--checkpoint: the run began with"), "{refused:?}");
}

#[test]
fn a_profile_shows_every_dispatch_and_changes_nothing() {
    let place = Place::of_few_images();
    place.run(&format!("{TRAIN} --steps 5 --out plain")).done();
    let ended = place.run(&format!("{TRAIN} --steps 5 --out run --profile"));
    let said = ended.stderr.clone();
    ended.done();
    for part in ["GFLOP/s", "conv2d", "busy ", "timeline of 2 steps: run/trace.json"] {
        assert!(said.contains(part), "no {part}: {said}");
    }
    let dispatches = said.split(" dispatches a step").next().unwrap();
    let per_step: usize = dispatches.rsplit(' ').next().unwrap().parse().unwrap();
    let document = json(&fs::read_to_string(place.path("run/trace.json")).unwrap());
    let events = document["traceEvents"].as_array().unwrap();
    let complete = |track: &str| -> Vec<&Value> {
        events.iter().filter(|e| e["ph"] == "X" && e["cat"] == track).collect()
    };
    // Checks for numbers that are not finite run between steps, and are not counted.
    let look = |e: &&Value| e["name"].as_str().is_some_and(|name| name.starts_with("non_finite"));
    let on_gpu: Vec<&Value> = complete("GPU").into_iter().filter(|e| !look(e)).collect();
    // A chip's faults are drawn once, before the recording.
    assert_eq!(on_gpu.len(), 2 * per_step);
    let mut end = 0.0;
    for event in &on_gpu {
        let at = |key: &str| event[key].as_f64().unwrap();
        assert!(at("dur") >= 0.0 && at("ts") >= end - 1.0, "{event} begins before {end}");
        end = at("ts") + at("dur");
        assert!(!event["name"].as_str().unwrap().is_empty());
    }
    let convs: Vec<_> =
        on_gpu.iter().filter(|e| e["name"].as_str().unwrap().starts_with("conv2d ")).collect();
    assert!(convs.iter().all(|e| e["args"]["shape"].as_str().unwrap().contains('>')));
    assert!(!convs.is_empty());
    let on_host: Vec<_> = complete("host").iter().map(|e| e["name"].clone()).collect();
    for name in ["prepare batch", "encode and submit", "wait for the GPU"] {
        assert!(on_host.iter().any(|n| n == name), "{name}: {on_host:?}");
    }
    let generator =
        |run: &str| Weights::load(place.path(run).join("generator.safetensors")).unwrap().tensors;
    assert!(generator("run") == generator("plain"), "profiling changed the result");
    // A short run is profiled too, into a file that the user names.
    place.run(&format!("{TRAIN} --steps 1 --out short --profile t.json")).done();
    assert!(fs::metadata(place.path("t.json")).unwrap().len() > 1000);
    let refused = place.run(&format!("{TRAIN} --steps 1 --out no --profile gone/t.json"));
    refused.refused(1, &["cannot write gone/t.json"]);
}

#[test]
fn compiled_pipelines_are_kept_where_the_driver_lets_them_out() {
    let place = Place::of_few_images();
    let eval = "eval --base base.safetensors --images 20 --seeds 1 --json";
    let first = place.run(eval).done();
    let files = cached(&place, "pipelines");
    if files.is_empty() {
        skipped(&format!("{} keeps no pipelines", gpu::list()[0].line()));
        return;
    }
    assert_eq!(place.run(eval).done(), first);
    // Damaged bytes never reach the driver.
    let whole = fs::read(&files[0]).unwrap();
    fs::write(&files[0], &whole[..whole.len() / 2]).unwrap();
    assert_eq!(place.run(eval).done(), first);
    assert!(fs::read(&files[0]).unwrap().len() > whole.len() / 2, "it was not replaced");
}
