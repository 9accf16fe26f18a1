//! The page of `nf-gpu conform --web` contains every variant, and a browser with WebGPU finds them
//! right and a changed one wrong.
use crate::{cli::Place, extent::skipped, kernels::browser};
use nf_gpu::kernels::list;
use serde_json::Value;
use std::{collections::BTreeMap, fs};

/// Pattern of the kernels that the browser runs here; `NF_WEB=*` for all.
const SOME: &str = "*a*";

fn page(kernels: &str) -> String {
    let place = Place::new();
    place.run(&format!("conform --kernel {kernels} --web page.html")).done();
    fs::read_to_string(place.path("page.html")).unwrap()
}

#[test]
fn the_page_holds_every_variant_and_stays_small() {
    let page = page("*");
    let json = page.split("<script type=\"application/json\" id=\"suites\">").nth(1).unwrap();
    let suites: Value = serde_json::from_str(json.split("</script>").next().unwrap()).unwrap();
    let kernels = suites["kernels"].as_array().unwrap();
    assert_eq!(kernels.len(), list::suites().count());
    for (kernel, suite) in kernels.iter().zip(list::suites()) {
        assert_eq!(kernel["name"], suite.kernel.name);
        let (variants, cases) =
            (kernel["variants"].as_array().unwrap(), kernel["cases"].as_array());
        assert_eq!(variants.len(), suite.kernel.variants.len(), "{}", suite.kernel.name);
        assert!(!cases.unwrap().is_empty(), "{}", suite.kernel.name);
    }
    assert!(page.len() < 14 << 20, "{} MiB", page.len() >> 20);
    println!("{} KiB", page.len() >> 10);

    let place = Place::new();
    place.run("conform --web none/page.html").refused(1, &["none"]);
    place.run("conform --web page.html --json").no_usage("--json");
}

/// Status and note of each variant, as the page posted them.
fn rows(answer: &str) -> BTreeMap<String, (String, String)> {
    let answer: Value = serde_json::from_str(answer).unwrap();
    assert_eq!(answer["error"], Value::Null);
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let row = |row: &Value| {
        let name = format!("{} {}", text(row, "kernel"), text(row, "variant"));
        (name, (text(row, "status"), text(row, "note")))
    };
    answer["rows"].as_array().unwrap().iter().map(row).collect()
}

#[test]
#[ignore = "in ./test.sh --all: wants Chromium, which takes minutes"]
fn a_browser_finds_every_variant_right_and_a_changed_one_wrong() {
    let Some(browser) = browser::find() else {
        return skipped("neither chromium nor google-chrome is on PATH");
    };
    let page = page(&std::env::var("NF_WEB").unwrap_or_else(|_| SOME.into()));
    let answer = match browser::answer(&browser, &page) {
        Ok(answer) if !answer.contains("has no WebGPU") => answer,
        Ok(why) | Err(why) => return skipped(&format!("no WebGPU in {browser:?}: {why}")),
    };
    let right = rows(&answer);
    let of = |status: &str| right.values().filter(|(s, _)| s == status).count();
    println!("{} ok, {} unsupported of {}", of("ok"), of("unsupported"), right.len());
    for (name, (status, note)) in &right {
        assert!(["ok", "unsupported"].contains(&status.as_str()), "{name}: {status}: {note}");
        assert_eq!(status == "ok", note.is_empty(), "{name}: {note}");
        println!("{name}: {status} {note}");
    }
    assert!(of("ok") > right.len() / 2, "{right:?}");

    let add = self::page("add");
    let changed = add.replacen("(a[i] + b[i],", "(a[i] - b[i],", 1);
    assert_ne!(changed, add);
    let (status, note) = &rows(&browser::answer(&browser, &changed).unwrap())["add plain"];
    assert!(status == "wrong" && note.contains("must be"), "{status}: {note}");
}
