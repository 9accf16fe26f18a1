//! `nf-gpu report`: where the page goes, and what is refused.
use super::Place;
use crate::runs::report::made::run_folder;
use std::fs;

#[test]
fn pages_go_into_the_run_or_beside_the_document_or_where_they_are_told() {
    let place = Place::new();
    run_folder(&place.path("runs/a"));
    run_folder(&place.path("runs/b"));
    fs::copy(place.path("runs/a/eval.json"), place.path("x.json")).unwrap();
    let page = |line: &str, at: &str| {
        assert_eq!(place.run(line).done(), format!("{at}\n"));
        fs::read_to_string(place.path(at)).unwrap()
    };
    assert!(page("report runs/a", "runs/a/report.html").contains("UNetS in front of resnet20"));
    assert!(page("report x.json", "x.html").contains("UNetS in front of resnet20"));
    let both = page("report runs/a runs/b x.json runs/a --out c.html --title T", "c.html");
    assert!(both.contains("<h1>T</h1>") && both.contains("UNetS · x.json"));
    assert_eq!(both.matches("<h3>a</h3>").count(), 2, "a picture and a block, each once");
    assert!(page("report runs/b x.json", "runs/b/report.html").contains("Comparison of 2"));
}

#[test]
fn charts_and_the_tables_behind_them_become_files() {
    let place = Place::new();
    run_folder(&place.path("runs/a"));
    fs::create_dir(place.path("there")).unwrap();
    let line = "report runs/a --out a.html --svg new/figures --csv there";
    let written = place.run(line).done();
    let files: Vec<&str> = written.lines().collect();
    assert_eq!(files[0], "a.html");
    for name in ["new/figures/training-loss.svg", "there/training-loss.csv", "there/fault-maps.csv"]
    {
        assert!(files.contains(&name), "no {name} in {written}");
    }
    let contents = || files.iter().map(|f| fs::read(place.path(f)).unwrap()).collect::<Vec<_>>();
    let before = contents();
    let svg = String::from_utf8(before[1].clone()).unwrap();
    assert!(svg.starts_with("<svg xmlns=") && svg.contains("</svg>"), "{svg}");
    // The same again replaces them with the same bytes, and both may go into one folder.
    place.run(line).done();
    assert!(contents() == before);
    place.run("report runs/a --svg both --csv both").done();
    assert!(place.path("both/training-loss.svg").exists());
    assert!(place.path("both/training-loss.csv").exists());
}

#[test]
fn what_is_no_run_is_refused_and_nothing_is_overwritten() {
    let place = Place::new();
    run_folder(&place.path("runs/a"));
    fs::create_dir(place.path("empty")).unwrap();
    fs::write(place.path("text.json"), "{").unwrap();
    fs::write(place.path("other.json"), "{\"version\":1}").unwrap();
    fs::create_dir(place.path("broken")).unwrap();
    fs::write(place.path("broken/config.toml"), "=").unwrap();
    place.refuses(&[
        ("report none", 1, &["none", "check the path"]),
        ("report empty", 1, &["no run is here", "nf-gpu train"]),
        ("report runs", 1, &["no run is here", "runs/a"]),
        ("report text.json", 1, &["it is not JSON", "nf-gpu eval --out"]),
        ("report other.json", 1, &["it is no evaluation", "adapter"]),
        ("report base.safetensors", 1, &["it is not JSON", "nf-gpu eval --out"]),
        ("report broken", 1, &["config.toml", "restore"]),
        ("report runs/a --out runs/a/eval.json", 2, &["is already RUN", "of its own"]),
        ("report runs/a --out none/x.html", 1, &["does not exist", "create it"]),
        ("report runs/a --out empty", 1, &["it is a folder", "a file in it"]),
        ("report runs/a --svg runs/a/eval.json", 2, &["--svg", "is already RUN", "or a folder"]),
        ("report runs/a --csv text.json", 2, &["--csv", "is no folder", "name a folder"]),
        ("report runs/a --svg text.json/x", 1, &["text.json/x"]),
        ("report runs/a --csv x --out x", 2, &["x is already --out"]),
    ]);
    place.run("report").no_usage("RUN|FILE.json");
}
