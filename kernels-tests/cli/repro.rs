//! The paper's experiments on a small scale: every base network and every generator once, with random
//! weights.
use super::Place;
use serde_json::Value;
use std::{fs, time::Instant};

fn results(place: &Place) -> Value {
    serde_json::from_str(&fs::read_to_string(place.path("out/results.json")).unwrap()).unwrap()
}

/// The acceptance test: it must take less than three minutes on two cores without a GPU.
#[test]
#[ignore = "in ./test.sh --all: every large network"]
fn every_base_and_every_generator_of_cifar10_once() {
    let place = Place::new();
    let began = Instant::now();
    let smoke = "repro cifar10 --smoke --data-dir none --out out";
    // Presses Ctrl-C after the first cell, where the system has it; then the queue continues.
    #[cfg(unix)]
    {
        let ended = place.interrupted(smoke, "out/cells/resnet18/ConvL-ber0.01/eval.json");
        assert_eq!(ended.code, Some(130), "{ended:?}");
        assert!(ended.stderr.contains("the same command goes on"), "{ended:?}");
        let there = results(&place);
        assert!((0..6).contains(&there["done"].as_u64().unwrap()), "{there}");
    }
    let ended = place.run(smoke);
    if cfg!(unix) {
        assert!(!ended.stderr.contains("cell 1 of 6"), "made again: {}", ended.stderr);
    }
    let table = ended.done();
    println!("cifar10 --smoke in {:.0} s", began.elapsed().as_secs_f64());
    assert!(table.contains("SMOKE RUN: these numbers mean nothing"), "{table}");
    let found = results(&place);
    assert_eq!((&found["done"], &found["complete"]), (&6.into(), &false.into()));
    let cells = found["cells"].as_array().unwrap();
    let names = |what: &str| {
        let mut names: Vec<&str> = cells.iter().map(|c| c[what].as_str().unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    assert_eq!(names("base"), ["resnet18", "resnet50", "vgg11", "vgg16", "vgg19"]);
    let generators = ["ConvL", "ConvS", "DeConvL", "DeConvS", "UNetL", "UNetS"];
    assert_eq!(names("generator"), generators);
    let (printed, number) = (&cells[0]["paper"], |v: &Value| v.as_f64().unwrap());
    assert_eq!((number(&printed["ca"]), number(&printed["pa"]["std"])), (92.6, 12.4));
    for cell in cells {
        assert!(cell["ours"]["pa_nf"]["mean"].is_number(), "{cell}");
        assert!(cell["difference"].is_null(), "numbers that mean nothing are compared: {cell}");
    }
    let page = fs::read_to_string(place.path("out/results.md")).unwrap();
    assert!(!page.contains("difference") && !table.contains("difference"), "{page}{table}");
    assert!(page.contains("SMOKE RUN") && page.contains("| resnet18/ConvL-ber0.01 |"), "{page}");

    // The third time nothing is left to do, and the results are the same.
    let again = place.run(&format!("{smoke} --json --csv cells.csv"));
    assert!(!again.stderr.contains("cell ") && !again.stderr.contains("training"), "{again:?}");
    assert_eq!(serde_json::from_str::<Value>(&again.done()).unwrap(), found);
    let csv = fs::read_to_string(place.path("cells.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + cells.len(), "{csv}");
    assert!(csv.contains("ours.pa_nf.mean") && csv.contains("resnet18/ConvL-ber0.01"), "{csv}");
    let other = ["other settings", "faults", "another --out"];
    place.run(&format!("{smoke} --faults flip")).refused(1, &other);
    place
        .run("repro lambda --smoke --data-dir none --out out")
        .refused(2, &["--out", "the results of cifar10", "--artefacts"]);
}

#[test]
fn tables_and_cells_are_listed() {
    let place = Place::new();
    let tables = place.run("repro --list").done();
    assert!(tables.contains("cifar10") && tables.contains("Tables 25, 26"), "{tables}");
    let cells = place.run("repro cifar10 --list --only *0.005").done();
    assert_eq!(cells.lines().count(), 30);
    assert!(cells.lines().any(|line| line == "vgg19/UNetS-ber0.005"), "{cells}");
    let cells = place.run("repro transfer --list").done();
    assert_eq!(cells.lines().filter(|line| line.contains("cannot be run")).count(), 20);
}

/// The cheapest table has one learned image in front of each network; one cell of it is chosen.
#[test]
fn hours_are_planned_before_anything_runs() {
    let place = Place::new();
    let smoke = "repro uip --smoke --only vgg11/* --data-dir none --out out --hours";
    let plan: Value =
        serde_json::from_str(&place.run(&format!("{smoke} 5 --list --json --quiet")).done())
            .unwrap();
    let cells = plan["forecast"]["cells"].as_array().unwrap();
    assert_eq!((cells.len(), &cells[0]["fits"]), (1, &true.into()), "{plan}");
    assert!(!place.path("out").exists(), "a plan writes nothing");
    // Nothing fits in 1e-9 hours; the cells that are left are named, with a command that continues.
    let ended = place.run(&format!("{smoke} 1e-9"));
    let id = cells[0]["id"].as_str().unwrap();
    for says in
        ["0 of 1 cells fit in 0.0 s", id, "One cell is left", "--only 'vgg11/*'", "--hours 0."]
    {
        assert!(ended.stderr.contains(says), "no {says:?} in {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("cell 1 of"), "{}", ended.stderr);
    assert!(ended.done().contains("1 not run yet"));
}

#[test]
fn what_cannot_be_reproduced() {
    let place = Place::new();
    place.run("repro").no_usage("<TABLE>");
    place.run("repro cifar10 --smoke --epochs 3").no_usage("--epochs");
    place.refuses(&[
        ("repro cifer10", 2, &["unknown table", "did you mean cifar10?"]),
        ("repro cifar10 --data-dir none", 2, &["cifar10 is not in none", "data fetch cifar10"]),
        (
            "repro imagenet10 --data-dir none",
            2,
            &["no folder none/imagenet10", "train/CLASS/IMAGE"],
        ),
        ("repro uip --only resnet18/Conv*", 2, &["no cell of uip", "repro uip --list"]),
        ("repro uip --smoke --faults flop", 2, &["unknown fault model", "did you mean flip?"]),
        ("repro uip --seeds 8..5 --data-dir none", 2, &["--seeds", "50000..50010"]),
        ("repro uip --steps 0 --data-dir none", 2, &["--steps: 0", "from 1 up"]),
        ("repro uip --hours 0", 2, &["--hours: 0", "--hours 7.5"]),
        ("repro uip --hours inf", 2, &["--hours: inf", "--hours 7.5"]),
        ("repro uip --list --hours -1", 2, &["--hours: -1", "--hours 7.5"]),
        ("repro --list --hours 1", 2, &["--hours: no table", "repro uip --list --hours 3"]),
    ]);
}
