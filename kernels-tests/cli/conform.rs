//! `nf-gpu conform`: the table in its three forms, drawn cases, known mistakes, exit codes.
use super::Place;
use nf_gpu::gpu;
use serde_json::Value;
use std::fs;

fn json(place: &Place, line: &str) -> Value {
    serde_json::from_str(&place.run(line).done()).unwrap()
}

#[test]
fn the_matrix_has_every_variant_and_says_what_is_missing() {
    let place = Place::new();
    let document = json(&place, "conform --kernel bench_matrix --json --all-adapters");
    assert_eq!((&document["version"], &document["all_cases"]), (&1.into(), &true.into()));
    let adapters = gpu::list();
    assert_eq!(document["adapters"].as_array().unwrap().len(), adapters.len());
    let rows = document["results"].as_array().unwrap();
    assert_eq!(rows.len(), 3 * adapters.len());
    for row in rows {
        let adapter = &adapters[row["adapter"].as_u64().unwrap() as usize];
        let variant = row["variant"].as_str().unwrap();
        let size = variant.strip_prefix("coop").map(|size| size.parse::<u32>().unwrap());
        let runs = size.is_none_or(|size| adapter.cooperative_matrix.contains(&size));
        assert_eq!(row["status"], if runs { "ok" } else { "unsupported" }, "{row}");
        assert_eq!(row["ok"].as_u64() > Some(0), runs, "{row}");
        let reason = row["reason"].as_str();
        assert_eq!(reason.is_some_and(|r| r.contains("needs cooperative")), !runs, "{row}");
    }
    let csv = place.run("conform --kernel bench_matrix --csv --all-adapters").done();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + rows.len());
    assert!(lines[0].starts_with("kernel,variant,adapter,backend,driver,commit,status,"));
    assert!(lines.iter().skip(1).all(|line| line.starts_with("bench_matrix,")), "{csv}");
    let text = place.run("conform --kernel bench_matrix --csv m.csv").done();
    let saved = fs::read_to_string(place.path("m.csv")).unwrap();
    assert!(saved.starts_with(lines[0]) && saved.lines().count() == 4, "{saved}");
    let plain = text.lines().find(|line| line.starts_with("bench_matrix plain")).unwrap();
    assert!(plain.contains("ok ") && text.contains(&adapters[0].name), "{text}");
}

#[test]
fn drawn_cases_come_from_a_seed_and_one_can_be_run_again() {
    let place = Place::new();
    let line = "conform --kernel add --stress 3s --seed 5 --json";
    let drawn = json(&place, line);
    let row = &drawn["results"][0];
    assert_eq!((&row["status"], &drawn["stress_seed"]), (&"ok".into(), &5.into()));
    assert!(row["ok"].as_u64() > Some(3), "{row}");
    let text = place.run("conform --kernel add --stress 2s --seed 6").done();
    assert!(text.contains("drawn with --seed 6"), "{text}");
    let again = json(&place, "conform --replay add:77 --json");
    assert_eq!(again["results"].as_array().unwrap().len(), 1);
    assert_eq!(again["results"][0]["ok"], 4, "every workgroup size");
    assert_eq!(again["stress_seed"], Value::Null);
}

#[test]
fn a_known_mistake_that_is_none_any_more_fails() {
    let place = Place::new();
    let quirk = "[[quirk]]\nadapter = \"*\"\ndriver = \"*\"\nkernel = \"add\"\n\
                 reason = \"adds wrongly\"\nlink = \"https://example.org/1\"\n";
    fs::write(place.path("q.toml"), quirk).unwrap();
    let ended = place.run("conform --kernel add --quirks q.toml");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("is none any more: add * on *: adds wrongly"), "{ended:?}");
    assert!(ended.stderr.contains("q.toml: add * on *"), "{ended:?}");
    assert!(ended.stderr.contains("take it out"), "{ended:?}");
    // A quirk is not judged stale where its kernel does not run.
    place.run("conform --kernel absmax --quirks q.toml").done();
    fs::write(place.path("q.toml"), quirk.replace("link", "url")).unwrap();
    place.run("conform --kernel add --quirks q.toml").refused(1, &["q.toml", "url", "[[quirk]]"]);
    place.run("conform --kernel add --quirks none.toml").refused(1, &["none.toml"]);
}

#[test]
fn mistakes_of_the_command_line_are_named() {
    let place = Place::new();
    place.run("conform --kernel ad").refused(2, &["unknown kernel", "did you mean add?"]);
    place.run("conform --replay add").refused(2, &["--replay", "KERNEL:SEED"]);
    place.run("conform --replay ad:1").refused(2, &["unknown kernel"]);
    place.run("conform --stress 0s").no_usage("90s, 10m or 2h");
    place.run("conform --seed 1").no_usage("--stress");
    place.run("conform --json --csv").no_usage("--csv");
    place.run("conform --all-adapters --adapter 0").no_usage("--adapter");
    place.run("conform --adapter nosuch").refused(1, &["nosuch"]);
}
