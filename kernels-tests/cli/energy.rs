//! `nf-gpu energy`, on a machine without any adapter.
use super::{Ended, Place};
use nf_gpu::{
    fault::{Description, FaultModel, Faults},
    report::eval_json::{
        Adapter, Base, Clean, Document, EvaluatedGenerator, EvaluatedSet, Evaluation, FlippedBits,
        Given, Perturbed, VERSION,
    },
};
use serde_json::Value;
use std::fs;

const MINE: &str = "[[point]]\nvoltage = 0.8\nber = 0\nenergy_per_access = 10\n\
                    [[point]]\nvoltage = 0.6\nber = 0.02\nenergy_per_access = 5\n";

/// Runs a line in an environment where no driver can be found.
fn run(place: &Place, line: &str) -> Ended {
    let mut command = place.nf(line);
    for loader in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "LIBGL_DRIVERS_PATH"] {
        command.env(loader, "/none");
    }
    Ended::of(&mut command)
}

fn json(place: &Place, line: &str) -> Value {
    serde_json::from_str(&run(place, line).done()).unwrap()
}

/// The `n`-th line of the text that begins with `word`, with each run of blanks as one blank.
fn line(text: &str, word: &str, n: usize) -> String {
    let mut lines = text.lines().filter(|l| l.split_whitespace().next() == Some(word));
    lines.nth(n).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_pair_as_the_paper_has_it() {
    let place = Place::new();
    run(&place, "energy --base net.onnx").refused(2, &["not the name of a network", "eval --base"]);
    let text = run(&place, "energy --base resnet18 --generator ConvL --ber 0.01").done();
    assert_eq!(
        line(&text, "resnet18", 0),
        "resnet18 32x32 11,173,962 555,422,720 557,143,040 2,755,968 731,049"
    );
    assert_eq!(
        line(&text, "ConvL", 1),
        "ConvL 0.83 0.01 0.69395 19.0 % less 16.2 % less 16.3 % less 13.9 %"
    );
    assert_eq!(
        line(&text, "none", 0),
        "none 0.83 0.01 0.69395 30.6 % less 30.6 % less 30.6 % less"
    );
    assert!(text.contains("Chandramoorthy"), "no source in {text}");

    let value = json(&place, "energy --base RESNET18 --generator unetl,convs --classes 43 --json");
    assert_eq!(value["base"]["parameters"], 11_190_891);
    assert_eq!(value["base"]["weight_accesses"], 2_755_968 + 33 * 512 / 8);
    json(&place, "energy --base RESNET18 --generator unetl,convs --classes 43 --json --csv e.csv");
    let csv = fs::read_to_string(place.path("e.csv")).unwrap();
    assert!(csv.starts_with("ber,energy_per_access,energy_saving_percent,generator,"), "{csv}");
    assert!(csv.lines().count() == 4 && csv.contains(",UNetL,"), "{csv}");
    let savings = value["savings"].as_array().unwrap();
    let of = |i: usize| (savings[i]["generator"].as_str(), savings[i]["ber"].as_f64());
    let rate = Some(0.01);
    assert_eq!([of(0), of(1), of(2)], [(None, rate), (Some("UNetL"), rate), (Some("ConvS"), rate)]);
    assert_eq!(savings.len(), 3);

    // Generators are taken for the image size of the base.
    let value = json(&place, "energy --base vgg16-224 --generator DeConvS --json");
    assert_eq!(value["generators"][0]["side"], 224);
    assert_eq!(value["generators"][0]["paper_macs"], 1_099_707_392);
}

#[test]
fn the_table_stands_beside_the_papers() {
    let place = Place::new();
    let text = Ended::of(place.nf("energy --table").env("COLUMNS", "200")).done();
    assert_eq!(line(&text, "vgg19", 1), "vgg19 20.3 29.3 ≠ 29.7 22.3 27.8 24.8 29.1");
    assert_eq!(line(&text, "vgg19", 2), "vgg19 10.4 28.0 14.4 25.0 20.2 28.0");
    assert_eq!(line(&text, "resnet18", 4), "resnet18 13.9 2.6 10.4 3.8 10.0 5.3");
    assert_eq!(text.matches('≠').count(), 3, "two entries, and what the mark means: {text}");
    assert!(text.contains("245 of 248 printed numbers are ours"), "{text}");
    assert!(text.contains("Table 3, vgg11 + UNetL at BER 0.01: 92.0 printed, 85.8 computed"));

    let value = json(&place, "energy --table --json");
    assert_eq!(value["differences"].as_array().unwrap().len(), 3);
    // 10 bases for 32x32 and 6 for 224x224, 6 generators.
    assert_eq!(value["savings"].as_array().unwrap().len(), 96);
    assert_eq!(value["networks"].as_array().unwrap().len(), 30);
}

#[test]
fn a_table_of_the_users() {
    let place = Place::new();
    fs::write(place.path("mine.toml"), MINE).unwrap();
    let value = json(&place, "energy --base vgg11 --points mine.toml --ber 0.02 --json");
    let saving = &value["savings"][0];
    assert_eq!(saving["energy_saving_percent"], 50.0);
    assert_eq!(
        (&saving["voltage"], &value["points"]["source"]),
        (&(0.6 / 0.8).into(), &"mine.toml".into())
    );
}

/// A voltage belongs to a rate within a hundredth of the table's, or is given in the table's unit.
#[test]
fn a_rate_or_the_user_says_the_voltage() {
    let place = Place::new();
    fs::write(place.path("mine.toml"), MINE).unwrap();
    let saving = |flags: &str| {
        let line = format!("energy --base vgg11 --points mine.toml {flags} --json");
        json(&place, &line)["savings"][0]["energy_saving_percent"].clone()
    };
    for flags in ["--ber 0.02012938806908417", "--ber 0.0199", "--voltage 0.6"] {
        assert_eq!(saving(flags), 50.0, "{flags}");
    }
    let mut e = evaluation("ConvL", &[(0.020_129_388_069_084_17, 40.0, 88.0)]);
    let save = |e: &Evaluation| Document::new(vec![e.clone()]).save(place.path("x.json")).unwrap();
    save(&e);
    let choose = "energy --min-accuracy 85 --points mine.toml x.json";
    let text = run(&place, choose).done();
    assert!(text.contains("0.75 Vmin (BER 0.02012939), with ConvL: 88.00 %"), "{text}");
    e.perturbed[0].faults = stuck_at(0.03);
    save(&e);
    let text = run(&place, choose).done();
    assert!(text.contains("for the measured BER 0.03: see --points and --voltage"), "{text}");
    let text = run(&place, &format!("{choose} --voltage 0.6")).done();
    assert!(text.contains("0.75 Vmin (BER 0.03), with ConvL: 88.00 %"), "{text}");
}

fn stuck_at(ber: f64) -> Description {
    Faults::new(FaultModel::StuckAt, ber).unwrap().described(None)
}

fn evaluation(generator: &str, rates: &[(f64, f64, f64)]) -> Evaluation {
    let text = str::to_owned;
    let perturbed = rates.iter().map(|&(ber, alone, behind)| {
        let around = |mean: f64| [mean - 1.0, mean + 1.0];
        let flips = FlippedBits::default();
        Perturbed::new(stuck_at(ber), &[1, 2], &around(alone), Some(&around(behind)), flips)
    });
    Evaluation {
        version: VERSION,
        adapter: Adapter::default(),
        commit: String::new(),
        base: Base { model: text("resnet18"), file_sha256: text("00") },
        dataset: EvaluatedSet {
            name: text("cifar10"),
            split: text("test"),
            images: 10_000,
            subset: None,
            classes: Vec::new(),
            labels: None,
        },
        precision: 8,
        dtype: None,
        clean: Clean { accuracy: 92.6, accuracy_nf: Some(90.0), ..Clean::default() },
        generator: Some(EvaluatedGenerator { name: text(generator), file_sha256: text(generator) }),
        perturbed: perturbed.collect(),
        energy: None,
        sensitivity: None,
        shard: None,
        given: Given::default(),
    }
}

#[test]
fn the_least_energy_for_an_accuracy() {
    let place = Place::new();
    let save = |name: &str, runs: Vec<Evaluation>| {
        Document::new(runs).save(place.path(name)).unwrap();
    };
    let large = evaluation("ConvL", &[(0.01, 40.0, 88.0), (0.005, 70.0, 89.0)]);
    let small = evaluation("ConvS", &[(0.01, 40.0, 60.0)]);
    save("both.json", vec![large.clone(), small]);
    let text = run(&place, "energy --min-accuracy 85 both.json").done();
    let chosen = "-> 0.83 0.01 stuck-at ConvL 88.00 % 75.29 to 100.00 0.8102";
    assert_eq!(line(&text, "->", 0), chosen);
    for says in [
        "Least energy for at least 85 %: 0.83 Vmin (BER 0.01), with ConvL: 88.00 %, 19.0 % less energy",
        "Its interval begins below 85 %",
        "Without a generator: 1 Vmin (BER 0), no generator: 92.60 %, the energy of the nominal voltage",
        "No voltage is known for the measured BER 0.005: see --points",
    ] {
        assert!(text.contains(says), "no {says:?} in {text}");
    }
    assert!(!text.contains("Not measured"), "{text}");

    // Half the accuracy needs no generator; more than the best accuracy is reported as out of reach.
    let text = run(&place, "energy --min-accuracy 35 both.json").done();
    assert!(
        text.contains("0.83 Vmin (BER 0.01), no generator: 40.00 %, 30.6 % less energy"),
        "{text}"
    );
    let text = run(&place, "energy --min-accuracy 99 both.json").done();
    let best = "No measured point reaches 99 %: the most accurate is 1 Vmin (BER 0), \
                no generator, 92.60 %";
    assert!(text.contains(best), "{text}");
    assert!(!text.contains("->"), "{text}");

    let value = json(&place, "energy --min-accuracy 85 --json both.json");
    assert_eq!(value["chosen"]["generator"], "ConvL");
    assert_eq!(value["candidates"].as_array().unwrap().len(), 6);
    let value = json(&place, "energy --min-accuracy 99 --json both.json");
    assert_eq!((&value["chosen"], &value["most_accurate"]["ber"]), (&Value::Null, &0.0.into()));

    // A user's own table leads to a message about what was not measured, and of which file's generator.
    fs::write(place.path("mine.toml"), MINE).unwrap();
    save("one.json", vec![large]);
    let text = run(&place, "energy --min-accuracy 85 --points mine.toml one.json both.json").done();
    assert!(text.contains("Not measured: 0.75 Vmin (BER 0.02), no generator."), "{text}");
    assert!(text.contains("Not measured: 0.75 Vmin (BER 0.02), with ConvS (both.json)."), "{text}");
}

#[test]
fn what_it_refuses() {
    let place = Place::new();
    fs::write(place.path("text.json"), "no").unwrap();
    fs::write(place.path("twice.toml"), format!("{MINE}{MINE}")).unwrap();
    fs::write(place.path("key.toml"), format!("{MINE}volts = 1\n")).unwrap();
    let file = |name: &str, e: Evaluation| Document::new(vec![e]).save(place.path(name)).unwrap();
    file("a.json", evaluation("ConvL", &[]));
    let mut other = evaluation("ConvL", &[]);
    other.base.model = "vgg11".into();
    file("b.json", other);
    let cases: &[(&str, i32, &[&str])] = &[
        ("energy --base resnet19", 2, &["unknown model", "did you mean resnet18?"]),
        ("energy --base resnet18 --generator ConvX", 2, &["unknown generator", "ConvS"]),
        (
            "energy --base resnet18 --ber 0.005",
            2,
            &["no operating point has BER 0.005", "known: 0, 0.01", "--points"],
        ),
        ("energy --base resnet18 --ber 1", 2, &["not a rate", "0.01 is one per cent"]),
        ("energy --base resnet18 --ber -0.01", 2, &["not a rate"]),
        (
            "energy --base resnet18 --voltage 0.75",
            2,
            &["--voltage: no operating point has voltage 0.75", "known: 1, 0.83", "--points"],
        ),
        ("energy --min-accuracy 80 a.json --voltage 2", 2, &["no operating point has voltage 2"]),
        ("energy --base resnet18 --classes 0", 2, &["--classes"]),
        ("energy --base resnet18 --points none.toml", 1, &["none.toml", "check the path"]),
        (
            "energy --base resnet18 --points twice.toml",
            1,
            &["points 1 and 3 have the same voltage"],
        ),
        ("energy --base resnet18 --points key.toml", 1, &["line 9: unknown field `volts`"]),
        ("energy --min-accuracy 101 a.json", 2, &["101 is no accuracy", "per cent"]),
        ("energy --min-accuracy 0.9 a.json", 2, &["0.9 is no accuracy", "per cent"]),
        ("energy --min-accuracy -1 a.json", 2, &["-1 is no accuracy"]),
        (
            "energy --min-accuracy 80 text.json",
            1,
            &["text.json", "not an evaluation", "eval --json"],
        ),
        ("energy --min-accuracy 80 none.json", 1, &["none.json", "check the path"]),
        ("energy --min-accuracy 80 a.json b.json", 2, &["a.json and b.json are of different base"]),
    ];
    for (line, code, says) in cases {
        println!("nf-gpu {line}");
        run(&place, line).refused(*code, says);
    }
    for (line, says) in [
        ("energy", "--base"),
        ("energy --table --base resnet18", "cannot be used with"),
        ("energy --base resnet18 --ber 0.01 --voltage 0.83", "cannot be used with"),
        ("energy --min-accuracy 80", "EVAL.json"),
        ("energy a.json", "--min-accuracy"),
        ("energy --min-accuracy 80 --base resnet18 a.json", "cannot be used with"),
    ] {
        run(&place, line).no_usage(says);
    }
}
