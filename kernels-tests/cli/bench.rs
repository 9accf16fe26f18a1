//! `nf-gpu bench`: what it writes, what it compares, what it refuses.
use super::{Place, mount::Mount};
use serde_json::Value;
use std::fs;

/// A report of a version that did not record its version.
const OLD: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/kernels-tests/cli/bench-without-version.json");

#[test]
fn a_glance_at_one_kernel_is_a_whole_report() {
    let place = Place::new();
    let line = "bench --kernel add --quick --json --out r.json --roofline r.svg --csv r.csv";
    let printed: Value = serde_json::from_str(&place.run(line).done()).unwrap();
    let written: Value =
        serde_json::from_str(&fs::read_to_string(place.path("r.json")).unwrap()).unwrap();
    assert_eq!(printed, written);
    assert_eq!(printed["version"], 1);
    assert!(printed["adapter"]["name"].is_string() && printed["adapter"]["driver"].is_string());
    assert!(printed["adapter"]["max_binding_bytes"].is_u64());
    assert!(printed["commit"].as_str().is_some_and(|c| !c.is_empty()));
    assert!(
        ["gpu-timestamps", "submit-to-idle", "mixed"].map(Value::from).contains(&printed["clock"])
    );
    let names = printed["ceilings"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap());
    let names: Vec<_> = names.collect();
    for name in ["copy", "fma-f32", "integer"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let cases = printed["cases"].as_array().unwrap();
    assert!(!cases.is_empty() && cases.iter().all(|c| c["kernel"] == "add"));
    for case in cases {
        let times =
            ["min_ms", "lower_ms", "median_ms", "upper_ms"].map(|t| case[t].as_f64().unwrap());
        assert!(times.is_sorted() && times[0] > 0.0, "{case}");
        assert!(case["bytes"].as_u64() > Some(0) && case["share"].as_f64() > Some(0.0), "{case}");
    }
    let csv = fs::read_to_string(place.path("r.csv")).unwrap();
    assert!(csv.lines().count() == 1 + cases.len() && csv.contains("median_ms"), "{csv}");
    assert_eq!(printed["steps"], Value::Array(Vec::new()));
    let settings = &printed["settings"];
    assert_eq!((&settings["quick"], &settings["kernel"]), (&true.into(), &"add".into()));
    assert!(settings["batch_size"].as_u64() > Some(0) && settings["samples"] == 2, "{settings}");
    for ceiling in printed["ceilings"].as_array().unwrap() {
        let rates: Vec<f64> =
            ceiling["rates"].as_array().unwrap().iter().map(|r| r.as_f64().unwrap()).collect();
        let best = rates.iter().copied().fold(0.0, f64::max);
        assert_eq!((rates.len(), ceiling["rate"].as_f64()), (2, Some(best)), "{ceiling}");
    }
    assert!(fs::read_to_string(place.path("r.svg")).unwrap().contains(">add<"));

    // Compares two reports, one of them old, on a machine without any GPU driver.
    let mut command = place.nf(&format!("bench --compare r.json {OLD}"));
    let alone = command.env("VK_DRIVER_FILES", "/nonexistent");
    let text = super::Ended::of(alone.env("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent")).done();
    let without = "bench-without-version does not say how it was measured";
    for part in ["add", "conv2d forward", "without a version", "46.9", without] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let nothing = place.run(&format!("bench --compare r.json {OLD} --plot c.svg"));
    nothing.refused(2, &["--plot", "nothing to draw"]);
    assert!(!place.path("c.svg").exists());
}

#[test]
fn reports_can_be_drawn_again() {
    let place = Place::new();
    fs::copy(OLD, place.path("a.json")).unwrap();
    place.run(&format!("bench --compare a.json {OLD} --plot c.svg --csv c.csv --json")).done();
    let svg = fs::read_to_string(place.path("c.svg")).unwrap();
    assert!(svg.contains("conv2d forward") && svg.contains("46.9"), "{svg}");
    let csv = fs::read_to_string(place.path("c.csv")).unwrap();
    assert!(csv.starts_with("adapter,lower_quartile,median,report,section,"), "{csv}");
    assert!(csv.contains(",46.9"), "{csv}");
    let none = place.run("bench --compare a.json --roofline r.svg");
    none.refused(2, &["--roofline", "ceilings"]);
}

#[test]
fn a_small_step_is_broken_down() {
    let place = Place::new();
    let line = "bench --steps generator/ConvS --quick --batch-size 2 --json --csv k.csv";
    let printed: Value = serde_json::from_str(&place.run(line).done()).unwrap();
    let step = &printed["steps"][0];
    assert_eq!((&step["name"], &step["batch"]), (&"generator/ConvS".into(), &2.into()));
    assert!(step["kernels"].as_array().is_some_and(|k| k.len() > 5), "{step}");
    assert!(printed["cases"].as_array().is_some_and(Vec::is_empty));
    let csv = fs::read_to_string(place.path("k.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + step["kernels"].as_array().unwrap().len(), "{csv}");
    assert!(csv.contains("step.name") && csv.contains("generator/ConvS"), "{csv}");
}

#[test]
fn a_growing_step_is_measured_and_drawn() {
    let place = Place::new();
    let line = "bench --scaling --quick --batch-size 2 --copies 2 --json --out s.json --plot s.svg --csv s.csv";
    let printed: Value = serde_json::from_str(&place.run(line).done()).unwrap();
    let growth = printed["growth"].as_array().unwrap();
    let numbers: Vec<(&str, Vec<u64>)> = growth
        .iter()
        .map(|g| {
            let points = g["points"].as_array().unwrap().iter();
            (
                g["quantity"].as_str().unwrap(),
                points.map(|p| p["number"].as_u64().unwrap()).collect(),
            )
        })
        .collect();
    let wanted = [
        ("perturbed copies", vec![1, 2, 4]),
        ("images of a batch", vec![1, 2, 4]),
        ("rows and columns", vec![16, 32, 48]),
        ("channels of the base", vec![8, 16, 32]),
    ];
    assert_eq!(numbers, wanted);
    for g in growth {
        let bytes: Vec<u64> =
            g["points"].as_array().unwrap().iter().map(|p| p["bytes"].as_u64().unwrap()).collect();
        assert!(bytes.is_sorted() && bytes[0] > 0 && bytes[0] < bytes[2], "{g}");
        assert!(g["time"]["exponent"].is_f64() && g["memory"]["off"].as_f64() >= Some(1.0), "{g}");
    }
    // A base network twice as wide has four times the weights, and twice the activations.
    let exponent = growth[3]["memory"]["exponent"].as_f64().unwrap();
    assert!((1.0..2.0).contains(&exponent), "{exponent}");
    let csv = fs::read_to_string(place.path("s.csv")).unwrap();
    assert!(csv.lines().count() == 13 && csv.contains("channels of the base"), "{csv}");
    let svg = fs::read_to_string(place.path("s.svg")).unwrap();
    assert!(svg.contains(">Time of a step<") && svg.contains(">Memory of a step<"), "{svg}");
    let compared = place.run("bench --compare s.json --plot again.svg").done();
    assert!(
        compared.contains("A step that grows") && compared.contains("rows and columns"),
        "{compared}"
    );
    assert_eq!(svg, fs::read_to_string(place.path("again.svg")).unwrap());
}

#[test]
fn a_file_that_cannot_be_written_takes_no_other_with_it() {
    let place = Place::new();
    let full = place.path("full");
    fs::create_dir(&full).unwrap();
    let Some(_mount) = Mount::tmpfs(&full, "size=4k") else { return };
    let line = "bench --kernel batch_norm* --quick --quiet --json --out full/r.json --roofline r.svg --csv r.csv";
    let ended = place.run(line);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for says in ["error: cannot write full/r.json", "disk is full"] {
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
    let printed: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(printed["cases"].as_array().is_some_and(|cases| !cases.is_empty()), "{printed}");
    let written = ["r.svg", "r.csv"].map(|name| place.path(name).exists());
    assert!(written == [true; 2] && !full.join("r.json").exists());
}

#[test]
fn mistakes_are_refused_before_anything_is_measured() {
    let place = Place::new();
    fs::write(place.path("text.json"), "not JSON").unwrap();
    fs::write(place.path("eval.json"), r#"{"version": 1, "adapter": {}}"#).unwrap();
    fs::write(place.path("new.json"), r#"{"version": 9, "adapter": {}, "cases": []}"#).unwrap();
    place.refuses(&[
        ("bench --kernel conv3d", 2, &["unknown kernel", "conv2d"]),
        ("bench --steps eopm/ConvX", 2, &["unknown step", "eopm/ConvS/resnet20"]),
        ("bench --kernel add --quick --roofline a.png", 2, &["--roofline", ".svg"]),
        ("bench --steps base/resnet20 --quick --roofline a.svg", 2, &["no kernels to draw"]),
        ("bench --compare text.json", 1, &["text.json", "not JSON", "nf-gpu bench --out"]),
        ("bench --compare eval.json", 1, &["eval.json", "no bench report", "cases"]),
        ("bench --compare new.json", 1, &["new.json", "version 9", "newer"]),
        ("bench --compare missing.json", 1, &["missing.json"]),
        ("bench --compare text.json --plot a.png", 2, &["--plot", ".svg"]),
    ]);
    for (line, says) in [
        ("bench --plot a.svg", "--scaling"),
        ("bench --scaling --kernel add", "--scaling"),
        ("bench --scaling --roofline a.svg", "--scaling"),
        ("bench --scaling --compare a.json", "--scaling"),
        ("bench --steps --no-steps", "--no-steps"),
        ("bench --compare a.json --quick", "--quick"),
        ("bench --batch-size 0", "--batch-size"),
    ] {
        place.run(line).no_usage(says);
    }
}
