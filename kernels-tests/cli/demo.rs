//! What the program does with nothing but itself: the demo, and what it tells shells and manuals.
use super::Place;
use std::fs;

#[test]
fn the_demo_needs_no_file_and_says_what_it_costs() {
    let place = Place::new();
    // One learned image is the quickest to train.
    let line = "demo --generator UIP --out d";
    let told = place.run(line).done();
    for says in ["vgg-small ", "UIP + vgg-small", "30.6 % less", "PA(NF)"] {
        assert!(told.contains(says), "{says}: {told}");
    }
    // Again, it evaluates what is there.
    assert_eq!(place.run(&format!("{line} --csv maps.csv")).done(), told);
    let maps = fs::read_to_string(place.path("maps.csv")).unwrap();
    assert!(maps.contains(",UIP,") && maps.lines().count() == 2, "{maps}");
    fs::write(place.path("d/vgg-small-fashion.safetensors"), "mine").unwrap();
    place.run(line).refused(2, &["--out", "is another network", "a folder of its own"]);
    assert_eq!(fs::read(place.path("d/vgg-small-fashion.safetensors")).unwrap(), b"mine");
    place.run("demo --generator UID --out e").refused(2, &["unknown", "did you mean"]);
}

/// What the program can list without any work is a file for other programs too.
#[test]
fn lists_are_files_for_other_programs() {
    let place = Place::new();
    for (line, columns, row) in [
        ("devices", "backend,", "llvmpipe"),
        ("data list", "classes,", "fashion-sample"),
        ("energy --table", "energy_saving_percent,", "vgg19"),
    ] {
        place.run(&format!("{line} --csv list.csv")).done();
        let csv = fs::read_to_string(place.path("list.csv")).unwrap();
        assert!(csv.lines().next().is_some_and(|names| names.contains(columns)), "{csv}");
        assert!(csv.contains(row), "{csv}");
        fs::remove_file(place.path("list.csv")).unwrap();
        place.run(&format!("{line} --csv none/list.csv")).refused(1, &["none"]);
    }
}

#[test]
fn shells_and_manuals_know_every_command() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(&format!("completions {shell}")).done();
        for word in ["train", "tensorboard", "conform"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = place.run("man").done();
    assert!(page.starts_with(".ie") && page.contains("transform"), "{page}");
    let page = place.run("man eval").done();
    assert!(page.contains("nf\\-gpu\\-eval") && page.contains("\\-\\-seeds"), "{page}");
    place.run("man evl").refused(2, &["unknown command", "did you mean eval"]);
}

/// The same lines as events, which a run that goes on writes again. `src/report/documents/tensorboard.rs` proves the
/// format.
#[test]
fn a_run_has_events_for_tensorboard() {
    let place = Place::of_few_images();
    let line = "train --base base.safetensors --batch-size 2 --images 4 --chip 1 --checkpoint-every 1 --out run";
    place.run(&format!("{line} --steps 2 --tensorboard")).done();
    let file = place.path("run/events.out.tfevents.nf-gpu");
    let has = |name: &str| {
        let bytes = fs::read(&file).unwrap();
        bytes.windows(name.len()).filter(|w| *w == name.as_bytes()).count()
    };
    assert_eq!((has("brain.Event:2"), has("step/loss_clean")), (1, 2));
    assert_eq!(has("evaluation/test/accuracy_nf"), 1);
    place.run("train --resume run --steps 3").done();
    assert_eq!((has("brain.Event:2"), has("step/loss_clean")), (1, 3));
    place.run(&format!("{line}2 --steps 1")).done();
    assert!(!place.path("run2/events.out.tfevents.nf-gpu").exists());
}
