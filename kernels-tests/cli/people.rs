//! Output for people: tables that fit their terminal, words instead of signs, no driver messages.
use super::{Ended, Place, until};
use crate::runs::report::made::full;
use nf_gpu::report::eval_json::{Document, Energy};
use serde_json::Value;
use std::{
    fs,
    process::{Child, Stdio},
};

/// Lines that are longer than `width`, but for those of one word, which is a path.
fn too_long(text: &str, width: usize) -> Vec<&str> {
    let long = |line: &&str| line.chars().count() > width && line.trim().contains(' ');
    text.lines().filter(long).collect()
}

fn with_columns(place: &Place, columns: &str, line: &str) -> String {
    Ended::of(place.nf(line).env("COLUMNS", columns)).done()
}

#[test]
fn tables_are_as_wide_as_lines_are() {
    let place = Place::new();
    for line in [
        "devices",
        "energy --base resnet18 --generator ConvL,UNetS,DeConvL",
        "energy --base vgg16-224 --generator ConvL",
        "energy --table",
        "repro --list",
    ] {
        // A pipe has no width: 80 columns are assumed.
        let piped = Ended::of(place.nf(line).env_remove("COLUMNS")).done();
        assert_eq!(piped, with_columns(&place, "80", line), "{line}");
        assert!(too_long(&piped, 80).is_empty(), "{line}: {:?}", too_long(&piped, 80));
        let wide = with_columns(&place, "300", line);
        assert!(wide.lines().count() <= piped.lines().count(), "{line}: {wide}");
    }
    for line in ["devices", "repro --list"] {
        let narrow = with_columns(&place, "50", line);
        assert!(too_long(&narrow, 50).is_empty(), "{line}: {:?}", too_long(&narrow, 50));
    }
    for nonsense in ["0", "wide", "-3", ""] {
        let text = with_columns(&place, nonsense, "repro --list");
        assert_eq!(text, with_columns(&place, "80", "repro --list"), "{nonsense:?}");
    }
    // More than the largest width of a Rust format.
    let widest = with_columns(&place, "100000", "repro --list");
    assert_eq!(widest, with_columns(&place, "60000", "repro --list"));
}

#[test]
fn classes_and_confusions_are_printed_as_tables() {
    let place = Place::new();
    let line = "eval --base base.safetensors --images 20 --seeds 1 --ber 0.01 --quiet";
    let text = place.run(&format!("{line} --per-class --confusion")).done();
    for part in
        ["accuracy of each class", "PA 1: stuck-at, BER 0.01, one map", "a column per answer"]
    {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    // Three tables have a row per class: accuracies, the clean confusion matrix, the one under
    // faults.
    assert_eq!(text.lines().filter(|l| l.starts_with("9 ")).count(), 3, "{text}");
    assert!(too_long(&text, 80).is_empty(), "{text}");
    let plain = place.run(line).done();
    assert!(!plain.contains("class"), "{plain}");
}

#[test]
fn a_generator_that_costs_more_than_it_saves_is_said_to() {
    let place = Place::new();
    let text = place.run("energy --base vgg-small --generator UNetS --ber 0.01").done();
    assert!(text.contains("28.5 % more") && text.contains("30.6 % less"), "{text}");
    assert!(!text.contains("-28.5"), "{text}");
    let mut e = full("UNetS");
    e.perturbed.truncate(1);
    e.perturbed[0].energy = Some(Energy { saving_percent: -28.5, ..Energy::default() });
    Document::new(vec![e]).save(place.path("x.json")).unwrap();
    place.run("report x.json").done();
    let page = fs::read_to_string(place.path("x.html")).unwrap().replace('\u{a0}', " ");
    assert!(page.contains("takes 28.5 % more energy"), "{page}");
    assert!(!page.contains("−28.5") && !page.contains("-28.5"), "{page}");
}

#[test]
fn a_plan_says_how_long_the_run_takes() {
    let place = Place::new();
    let line = "train --base base.safetensors --generator UNetS --batch-size 2 --copies 1 --steps 40 \
                --out run --dry-run --quiet";
    let plan: Value = serde_json::from_str(&place.run(&format!("{line} --json")).done()).unwrap();
    let number = |v: &Value| v.as_f64().unwrap();
    let time = &plan["time"];
    assert_eq!(plan["steps"], 40);
    assert!(number(&time["seconds_per_step"]) > 0.0, "{plan}");
    assert_eq!(number(&time["seconds"]), 40.0 * number(&time["seconds_per_step"]));
    let text = place.run(line).done();
    assert!(text.contains("for 40 steps") && text.contains("an estimate"), "{text}");
    assert!(!place.path("run").exists());
}

#[test]
fn a_container_without_a_screen_hears_nothing_of_it() {
    let place = Place::new();
    let mut command = place.nf("devices");
    for name in ["XDG_RUNTIME_DIR", "WAYLAND_DISPLAY", "DISPLAY", "NODEVICE_SELECT"] {
        command.env_remove(name);
    }
    let ended = Ended::of(&mut command);
    assert!(!ended.stderr.contains("XDG_RUNTIME_DIR"), "{}", ended.stderr);
    ended.done();
}

#[test]
fn the_command_of_a_page_runs() {
    let place = Place::new();
    let base = "eval --base base.safetensors --images 20 --seeds 1 --ber 0.01 --quiet";
    // A path with a space and a quote.
    fs::rename(place.path("base.safetensors"), place.path("it's a base.safetensors")).unwrap();
    let mut command = place.nf(&base.replace("--base base.safetensors", ""));
    command.args(["--base", "it's a base.safetensors", "--out", "x.json"]);
    Ended::of(&mut command).done();
    place.run("report x.json").done();
    let page = fs::read_to_string(place.path("x.html")).unwrap();
    let text = page.split("<pre>").nth(1).unwrap().split("</pre>").next().unwrap();
    let text = text.replace("&#39;", "'").replace("&amp;", "&").replace(" \\\n", " ");
    assert!(text.starts_with("nf-gpu eval --base 'it'\\''s a base.safetensors'"), "{text}");
    #[cfg(unix)]
    {
        let rest = text.strip_prefix("nf-gpu ").unwrap();
        let again = Ended::of(&mut place.shell("", &format!("{rest} --quiet --json"))).done();
        let again: Value = serde_json::from_str(&again).unwrap();
        let text = fs::read_to_string(place.path("x.json")).unwrap();
        let first: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(again["perturbed"][0]["accuracy"], first["perturbed"][0]["accuracy"]);
    }
    // The file is gone: the page says what to put in its place.
    fs::remove_file(place.path("it's a base.safetensors")).unwrap();
    place.run("report x.json").done();
    let page = fs::read_to_string(place.path("x.html")).unwrap();
    assert!(page.contains("--base BASE.safetensors"), "{page}");
    assert!(page.contains("BASE.safetensors stands for the vgg-small with SHA-256"), "{page}");
}

#[test]
#[ignore = "in ./test.sh --all: waits for a line that comes every ten seconds"]
fn whoever_pipes_a_long_command_hears_of_it() {
    let place = Place::new();
    // Ten minutes: the line with the remaining time comes in any case, however slow the machine is.
    let start = |flag: &str, said: &str| {
        let mut command = place.nf(&format!("conform --stress 10m --seed 1 --kernel add {flag}"));
        let said = fs::File::create(place.path(said)).unwrap();
        command.stdout(Stdio::null()).stderr(said).spawn().unwrap()
    };
    let said = |file: &str| fs::read_to_string(place.path(file)).unwrap();
    // The quiet command begins first, and would have printed the line by then.
    let (mut quiet, mut piped) = (start("--quiet", "quiet"), start("", "piped"));
    let told = |_: &mut Child| said("piped").contains(" left, ");
    until("no line of how much is left", &mut piped, told);
    for child in [&mut quiet, &mut piped] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(said("piped").contains(" left, "), "{}", said("piped"));
    assert!(!said("quiet").contains("left"), "{}", said("quiet"));
}
