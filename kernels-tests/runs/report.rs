//! The page of a run: whole, self-contained, and without complaints from a browser.
mod charts;
pub(crate) mod made;
mod markup;

use crate::{extent::skipped, kernels::browser};
use made::{full, run_folder};
use markup::Markup;
use nf_gpu::{
    data::{Subset, Which},
    energy,
    report::{
        eval_json::{ClassCounts, Document, Evaluation, Perturbed, Sensitivity, Spread},
        page::{Files, Page, Source},
    },
};
use serde_json::json;
use std::fs;

const GENERATORS: [&str; 7] = ["ConvL", "ConvS", "DeConvL", "DeConvS", "UNetL", "UNetS", "UIP"];

fn several() -> Source {
    Source::new("x.json", GENERATORS.map(full).to_vec())
}

fn page(sources: &[Source], title: Option<&str>) -> String {
    Page::new(sources, title).html()
}

/// One page of each kind.
fn pages() -> Vec<(&'static str, String)> {
    let bare = Evaluation { generator: None, ..full("") };
    let mut clean = full("UNetS");
    clean.perturbed.clear();
    let of = |evaluations| page(&[Source::new("x.json", evaluations)], None);
    vec![
        ("one", of(vec![full("UNetS")])),
        ("several", page(&[several()], None)),
        ("without a generator", of(vec![bare])),
        ("without faults", of(vec![clean])),
        ("nothing", of(Vec::new())),
    ]
}

#[test]
fn every_page_is_well_formed_and_needs_nothing_else() {
    for (name, text) in pages() {
        println!("{name}: {} bytes", text.len());
        let markup = Markup::of(&text);
        markup.stands_alone();
        for svg in markup.of_name("svg").filter(|e| e.get("role").is_some()) {
            assert!(svg.get("aria-labelledby").is_some(), "{name}: {svg:?}");
        }
        assert_eq!(markup.of_name("h1").count(), 1, "{name}");
    }
}

#[test]
fn a_comparison_of_different_images_says_so() {
    let of = |images, which: Option<Which>| {
        let mut e = full("UNetS");
        e.dataset.images = images;
        e.dataset.subset = which.map(|which| Subset { which, of: 10_000 });
        e
    };
    let both = |a: Evaluation, b: Evaluation| {
        let sources = [Source::new("a.json", vec![a]), Source::new("b.json", vec![b])];
        page(&sources, None)
    };
    let whole = || of(10_000, None);
    let text = both(whole(), of(200, Some(Which::Spread)));
    for says in [
        "These evaluations are not of the same images: cifar10: 10,000 test images; cifar10: 200 of \
         10,000 test images, evenly spread.",
        "An accuracy on 200 images has a standard error of up to 3.5 points.",
        "UNetS · 200 of 10,000 test images, evenly spread · b.json",
    ] {
        assert!(text.contains(says), "no {says:?}");
    }
    // The first images and an equal number of other images differ; older documents do not record which
    // they used.
    let same = |a, b| !both(a, b).contains("not of the same images");
    assert!(same(whole(), whole()));
    assert!(same(of(200, Some(Which::First)), of(200, None)));
    assert!(!same(of(200, Some(Which::First)), of(200, Some(Which::Spread))));
    // Two generators of one name in one document are distinguished by their files.
    let named = |file: &str| {
        let mut e = full("UNetS");
        e.given.generator = Some(file.into());
        e
    };
    let two = vec![named("a/generator.safetensors"), named("b/generator.safetensors")];
    let text = page(&[Source::new("x.json", two)], None);
    assert!(text.contains("UNetS · b/generator.safetensors") && !text.contains("UNetS #2"));
}

#[test]
fn a_full_document_has_every_section_and_chart() {
    let text = &pages()[0].1;
    let markup = Markup::of(text);
    let sections: Vec<_> = markup.of_name("section").filter_map(|e| e.get("id")).collect();
    let wanted = [
        "result",
        "numbers",
        "accuracy",
        "faults",
        "classes",
        "sensitivity",
        "provenance",
        "terms",
    ];
    assert_eq!(sections, wanted);
    for says in [
        // PA is 83 at the first rate, PA(NF) 103: made up, and shown as it is.
        "With 0.35\u{a0}% of the weight memory’s cells faulty (stuck-at, 10\u{a0}fault maps), resnet20 \
         on cifar10 falls from 92.0\u{a0}% to 83.0\u{a0}%",
        "+20.0 points, better on 10 of 10 fault maps",
        "<h3>With and without faults</h3>",
        "<h3>Accuracy against faulty cells</h3>",
        "<h3>Accuracy against energy</h3>",
        "<h3>Changed bits by position</h3>",
        "<h3>Changed bits by layer</h3>",
        "<h3>Accuracy by class</h3>",
        "<h3>Answers under faults</h3>",
        "<h3>Only one bit position is faulty</h3>",
        "<h3>Only one layer is faulty</h3>",
        "<h3>What protection buys</h3>",
        "<strong>103.0\u{a0}±\u{a0}1.3</strong>",
        // 20 and 300 times the rate are saved behind the generator, for accuracy that is made up as well.
        "With UNetS the weight memory takes 21.1\u{a0}% less energy than at nominal voltage, the generator \
         included, for 11.0\u{a0}points more accuracy; without it 30.6\u{a0}% less for 9.0\u{a0}points less.",
        "at 0.83 Vmin; without NeuralFuse 30.6\u{a0}%\u{a0}less",
        ">energy(NF)</th>",
        "<td data-title=\"energy\">30.6\u{a0}%\u{a0}less</td>\
         <td data-title=\"energy(NF)\">23.0\u{a0}%\u{a0}less</td>",
    ] {
        assert!(text.contains(says), "no {says:?}");
    }
    // A single rate has no curve; without energy, the page does not mention it.
    let mut one = full("UNetS");
    one.perturbed.truncate(1);
    one.perturbed[0].energy = None;
    let text = page(&[Source::new("x.json", vec![one])], Some("A title & more"));
    for absent in
        ["against faulty cells", "against energy", ">energy<", "Energy of", ">energy(NF)<"]
    {
        assert!(!text.contains(absent), "{absent}");
    }
    // The page says once how to give a voltage, and only if one is missing.
    let how = "No voltage is known for stuck-at at BER 0.0035, so no energy is either.";
    assert_eq!((text.matches(how).count(), pages()[0].1.contains("No voltage")), (1, false));
    assert!(text.contains("<h1>A title &amp; more</h1>"));
}

#[test]
fn generators_on_the_same_base_share_its_curve() {
    let text = &pages()[1].1;
    let chart = text.split("Accuracy against faulty cells").nth(1).unwrap();
    let legend = chart.split("</ul>").next().unwrap();
    assert_eq!(legend.matches("without NeuralFuse").count(), 2, "name and tooltip: {legend}");
    for name in GENERATORS {
        assert!(legend.contains(name), "{name}");
    }
}

#[test]
fn text_from_files_is_text_and_no_markup() {
    const EVIL: &str =
        "</style></pre>\"'><script>alert(1)</script><img src=x onerror=alert(2)>&\u{0}";
    let mut e = full(EVIL);
    for text in [
        &mut e.adapter.name,
        &mut e.adapter.backend,
        &mut e.adapter.driver,
        &mut e.commit,
        &mut e.base.model,
        &mut e.base.file_sha256,
        &mut e.dataset.name,
        &mut e.dataset.split,
    ] {
        *text = EVIL.into();
    }
    e.dataset.classes = vec![EVIL.into(); 4];
    for p in &mut e.perturbed {
        // Of the faults only names are texts of others.
        let layout = json!({"file": EVIL, "file_sha256": EVIL});
        let map = json!({"file": EVIL, "file_sha256": EVIL, "mapping": "linear", "layout": layout});
        let faults = json!({"faults": "profile", "ber": p.ber(), "layers": EVIL, "map": map});
        p.faults = serde_json::from_value(faults).unwrap();
        p.flipped_bits.per_layer[0].name = EVIL.into();
    }
    let s = e.sensitivity.as_mut().unwrap();
    s.faults = EVIL.into();
    s.bits[0].name = EVIL.into();
    s.protected_bits[0].name = EVIL.into();
    let folder = tempfile::tempdir().unwrap();
    let evil_toml = EVIL.replace(['"', '\u{0}', '\''], "");
    fs::write(folder.path().join("config.toml"), format!("base = \"{evil_toml}\"")).unwrap();
    Document::new(vec![e.clone(), e]).save(folder.path().join("eval.json")).unwrap();
    let run = Source::load(folder.path()).unwrap();
    let text = page(&[run, Source::new(EVIL, vec![full("UNetS")])], Some(EVIL));
    let markup = Markup::of(&text);
    markup.stands_alone();
    assert_eq!(markup.of_name("img").count(), 0);
    assert!(text.matches("&lt;script&gt;").count() > 40);
}

#[test]
fn numbers_that_are_none_and_lists_that_are_short_break_nothing() {
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1e300, 1e300, 5e-324];
    for value in bad {
        let mut e = full("UNetS");
        e.clean.accuracy = value;
        e.clean.accuracy_nf = Some(value);
        for p in &mut e.perturbed[1..] {
            let spread =
                || Spread { mean: value, std: value, interval: None, each: vec![value; 2] };
            p.accuracy = spread();
            p.accuracy_nf = Some(spread());
            p.recovery = Some(value);
            p.flipped_bits.mean_rate = value;
            p.flipped_bits.each.clear();
            let energy = p.energy.as_mut().unwrap();
            (energy.saving_percent, energy.energy_per_access) = (value, Some(value));
            p.classes =
                Some(ClassCounts { accuracy: vec![Some(value)], confusion: vec![vec![], vec![]] });
        }
        let s = e.sensitivity.as_mut().unwrap();
        (s.clean, s.ber) = (value, value);
        s.bits[0].accuracy.mean = value;
        s.protected_bits[1].share = value;
        s.protected_layers[1].accuracy.mean = value;
        let mut empty = full("UNetL");
        empty.precision = 0;
        for p in &mut empty.perturbed {
            *p = Perturbed::default();
            p.accuracy_nf = Some(Spread::default());
            p.classes = Some(ClassCounts::default());
        }
        empty.sensitivity = Some(Sensitivity::default());
        let text = page(&[Source::new("x.json", vec![e, empty])], None);
        let markup = Markup::of(&text);
        markup.stands_alone();
        for element in markup.all() {
            for (name, value) in &element.attributes {
                let words = value.split(|c: char| !c.is_alphanumeric() && c != '-');
                let not_finite = words.into_iter().any(|w| ["NaN", "inf", "-inf"].contains(&w));
                assert!(!not_finite, "{name} = {value:?} for {value}");
            }
        }
    }
}

#[test]
fn a_run_folder_shows_its_training_pictures_settings_and_command() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("chip1");
    run_folder(&root);
    let source = Source::load(&root).unwrap();
    let out = source.page();
    Page::new(&[source], None).save(&out).unwrap();
    let text = fs::read_to_string(root.join("report.html")).unwrap();
    assert_eq!(out, root.join("report.html"));
    let markup = Markup::of(&text);
    markup.stands_alone();
    let picture = markup.of_name("img").next().unwrap();
    assert!(picture.get("src").unwrap().starts_with("data:image/png;base64,iVBORw0KGgo"));
    for says in [
        "<h3>Training loss</h3>",
        "<h3>Accuracy during training</h3>",
        "--generator UNetS",
        "--steps 60",
        "generator = &quot;UNetS&quot;",
        "2026-02-02 02:40 UTC",
    ] {
        assert!(text.contains(says), "no {says:?}");
    }
    assert!(!text.contains("--epochs"), "steps are instead of epochs");
    for (file, says) in [
        ("images.png", "chip1 has no images.png"),
        ("metrics.jsonl", "chip1 has no metrics.jsonl"),
        ("eval.json", "chip1 has no eval.json: the run is not finished"),
    ] {
        fs::remove_file(root.join(file)).unwrap();
        let text = page(&[Source::load(&root).unwrap()], None);
        Markup::of(&text).stands_alone();
        assert!(text.contains(says), "no {says:?}");
    }
}

#[test]
fn a_browser_opens_it_without_a_complaint() {
    let Some(browser) = browser::find() else {
        skipped("neither chromium nor google-chrome is on PATH");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // A page that must lead to complaints: without it the test could not fail.
    let policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'\"/>";
    let broken = folder.path().join("broken.html");
    fs::write(&broken, format!("<head>{policy}</head><script>alert(1)</script>")).unwrap();
    let seen = match browser::open(&browser, &broken) {
        Ok(seen) => seen,
        // The browser may be the stub of a package that is not installed.
        Err(why) => return skipped(&format!("{} does not run here: {why}", browser.display())),
    };
    assert!(!seen.complaints.is_empty(), "{browser:?} says nothing of a broken page");

    let root = folder.path().join("run");
    run_folder(&root);
    let run = page(&[Source::load(&root).unwrap()], None);
    for (name, text) in pages().into_iter().chain([("run", run)]) {
        let path = folder.path().join("page.html");
        fs::write(&path, &text).unwrap();
        let seen = browser::open(&browser, &path).unwrap();
        assert_eq!(seen.complaints, [""; 0], "{name}");
        let title = text.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap();
        assert!(seen.dom.contains(&format!("<h1>{title}</h1>")), "{name}: {}", seen.dom);
        if name == "one" {
            assert!(seen.dom.contains("falls from 92.0&nbsp;% to 83.0&nbsp;%"), "{}", seen.dom);
        }
        // A browser's parser repairs unbalanced elements: their number would then differ.
        for element in ["section", "figure", "svg", "path", "text", "tr", "td", "li"] {
            let count = |text: &str| {
                text.matches(&format!("<{element} ")).count()
                    + text.matches(&format!("<{element}>")).count()
            };
            assert_eq!(count(&seen.dom), count(&text), "{name}: {element}");
        }
    }
}
