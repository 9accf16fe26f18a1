//! Which classes a data set has for a network, and under which faults a generator is evaluated.
use super::{Ended, Place, evaluation};
use nf_gpu::{
    data::{self, Split},
    fault::FaultModel,
    files::Weights,
    report::eval_json::{Evaluation, Perturbed},
};
use serde_json::Value;
use std::{fs, path::Path};

/// The class names of Fashion-MNIST as folder names; in alphabetical order the classes have other
/// numbers.
const NAMES: [&str; 10] = [
    "T-shirt_top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle_boot",
];

/// Writes so many images of each class of the sample's splits as `PATH/SPLIT/CLASS/N.png`.
pub(crate) fn folder(path: &Path, images: usize, name: impl Fn(usize) -> String) {
    for split in [Split::Train, Split::Test] {
        let set = data::open("fashion-sample", Path::new(""), split).unwrap();
        for class in 0..10 {
            let folder = path.join(split.to_string()).join(name(class));
            fs::create_dir_all(&folder).unwrap();
            let of_class = (0..set.len()).filter(|&i| usize::from(set.labels[i]) == class);
            for (n, i) in of_class.take(images).enumerate() {
                let grey = set.image(i)[..1024].to_vec();
                let image = image::GrayImage::from_raw(32, 32, grey).unwrap();
                image.save(folder.join(format!("{n}.png"))).unwrap();
            }
        }
    }
}

/// The evaluation that a command with `--json` prints, and its messages.
fn evaluated(ended: Ended) -> (Evaluation, String) {
    let said = ended.stderr.clone();
    (ended.evaluation(), said)
}

/// A measured map of 64 rows of 8 cells, some of them faulty.
fn map(path: &Path, every: usize) {
    let cell = |i: usize| if i.is_multiple_of(every) { "1" } else { "0" };
    let row = |r: usize| (0..8).map(|c| cell(8 * r + c)).collect::<Vec<_>>().join(",") + "\n";
    fs::write(path, (0..64).map(row).collect::<String>()).unwrap();
}

#[test]
fn classes_are_found_by_name_whatever_the_folders_order() {
    let place = Place::new();
    folder(&place.path("names"), 4, |class| NAMES[class].into());
    folder(&place.path("numbers"), 4, |class| format!("{class:05}"));
    let eval = "eval --base base.safetensors --seeds 1 --per-class --confusion --json --dataset";
    let (names, said) = evaluated(place.run(&format!("{eval} names")));
    assert!(said.contains("the classes of names are mapped by name: base.safetensors"), "{said}");
    let (numbers, said) = evaluated(place.run(&format!("{eval} numbers")));
    assert!(said.contains("taken for each other by number: 00000 is T-shirt/top"), "{said}");
    assert_eq!(names.clean, numbers.clean);
    assert_eq!(names.perturbed, numbers.perturbed);
    // Rows of the confusion matrix are the network's outputs, with the network's names.
    assert_eq!(names.dataset.classes, NAMES);
    assert_eq!(numbers.dataset.classes[9], "ankle boot");
}

#[test]
fn training_has_the_labels_of_the_base_whatever_the_folders_order() {
    let place = Place::new();
    // One image of each class; the last one, which is held out, is the same in both orders.
    let letter =
        |class: usize| ["i", "h", "g", "f", "e", "d", "c", "b", "a", "z"][class].to_owned();
    folder(&place.path("letters"), 1, letter);
    folder(&place.path("numbers"), 1, |class| class.to_string());
    let mut base = Weights::load(place.path("base.safetensors")).unwrap();
    let names: Vec<String> = (0..10).map(letter).collect();
    base.set_class_names(&names);
    base.save(place.path("letters.safetensors")).unwrap();
    let loss = |dataset: &str| -> f64 {
        let out = format!("run-{dataset}");
        let line = "train --base letters.safetensors --steps 1 --batch-size 9 --augment none --chip 1 --quiet";
        place.run(&format!("{line} --dataset {dataset} --out {out}")).done();
        let generator = Weights::load(place.path(&out).join("generator.safetensors")).unwrap();
        assert_eq!(generator.class_names().unwrap().unwrap(), names);
        assert_eq!(generator.meta("base_precision"), Some("8"));
        let metrics = fs::read_to_string(place.path(&out).join("metrics.jsonl")).unwrap();
        let mut lines = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.find_map(|line| line["loss_clean"].as_f64()).unwrap()
    };
    let (letters, numbers) = (loss("letters"), loss("numbers"));
    // The images are the same in another order, so that their sum is rounded in another way.
    assert!((letters - numbers).abs() < 1e-5 * letters, "{letters}, {numbers}");
}

#[test]
fn other_classes_are_refused_until_somebody_insists() {
    let place = Place::new();
    folder(&place.path("others"), 4, |class| match class {
        0 => "tie".into(),
        class => NAMES[class].into(),
    });
    folder(&place.path("few"), 4, |class| NAMES[class].into());
    for split in ["train", "test"] {
        fs::remove_dir_all(place.path("few").join(split).join("Bag")).unwrap();
    }
    let eval = "eval --base base.safetensors --seeds 1 --images 5";
    let train = "train --base base.safetensors --steps 1 --batch-size 4 --chip 1 --images 5";
    let hint = "insist with --allow-mismatch";
    for line in [eval, &format!("{train} --out run")] {
        // Known data sets are compared by their known classes: none of their files is here.
        for (dataset, says) in [
            ("mnist", "those of mnist are 0, 1, 2, ..."),
            ("cifar10", "its classes are T-shirt/top, trouser, pullover, ...; those of cifar10"),
            ("cifar100", "it tells 10 classes apart; cifar100 has 100"),
            ("others", "those of others are Ankle_boot"),
            ("few", "it tells 10 classes apart; few has 9"),
        ] {
            let ended = place.run(&format!("{line} --dataset {dataset} --data-dir none"));
            ended.refused(1, &[says, hint]);
        }
    }
    for (dataset, says) in
        [("others", "9 of the 10 classes of others are"), ("few", "9 of the 9 classes of few are")]
    {
        let line = format!("{eval} --dataset {dataset} --allow-mismatch --confusion --json");
        let (evaluation, said) = evaluated(place.run(&line));
        assert!(said.contains(says), "{said}");
        assert_eq!(evaluation.dataset.classes.len(), 10);
        let run =
            place.run(&format!("{train} --dataset {dataset} --allow-mismatch --out {dataset}.run"));
        run.done();
    }
    // Class names in a base's file take precedence over the names of its known data set.
    let mut base = Weights::load(place.path("base.safetensors")).unwrap();
    base.set_class_names(
        &NAMES.map(|name| if name == "T-shirt_top" { "tie" } else { name }.into()),
    );
    base.save(place.path("tie.safetensors")).unwrap();
    place.run("eval --base tie.safetensors --seeds 1 --images 5 --dataset others").done();
    base.set_class_names(&["a".into(), "b".into()]);
    base.save(place.path("two.safetensors")).unwrap();
    let says = ["it names 2 classes and tells 10 apart"];
    place.run("eval --base two.safetensors --seeds 1 --images 5").refused(1, &says);
}

#[test]
fn folders_of_numbers_are_in_their_order_for_every_command() {
    let place = Place::new();
    folder(&place.path("d"), 4, |class| (class + 2).to_string());
    let contents: Value = serde_json::from_str(&place.run("data check d --json").done()).unwrap();
    let wanted: Vec<String> = (2..12).map(|class| class.to_string()).collect();
    assert_eq!(contents["class_names"], Value::from(wanted.clone()));
    let line = "pretrain --model vgg-small --dataset d --steps 1 --batch-size 4 --out b.safetensors --quiet";
    place.run(line).done();
    let base = Weights::load(place.path("b.safetensors")).unwrap();
    assert_eq!(base.class_names().unwrap().unwrap(), wanted);
    // The outputs of a base without class names may be in another order.
    let mut unnamed = base;
    unnamed.metadata.remove("class_names");
    unnamed.save(place.path("unnamed.safetensors")).unwrap();
    let ended = place.run("eval --base unnamed.safetensors --seeds 1 --images 5");
    assert!(ended.stderr.contains("taken by number (2, 3, 4, ...)"), "{}", ended.stderr);
    let ended = place.run("eval --base b.safetensors --seeds 1 --images 5");
    assert!(!ended.stderr.contains("by number"), "{}", ended.stderr);
}

#[test]
fn numbers_are_labels_only_where_the_order_is_known() {
    let place = Place::new();
    folder(&place.path("numbers"), 2, |class| format!("{class:02}"));
    let base = |dataset: &str, names: &[String]| {
        let mut base = Weights::load(place.path("base.safetensors")).unwrap();
        base.metadata.insert("dataset".into(), dataset.into());
        base.set_class_names(names);
        base.save(place.path("b.safetensors")).unwrap();
    };
    let line = "eval --base b.safetensors --seeds 1 --images 5 --dataset numbers";
    let mut names = NAMES.map(str::to_owned);
    names.sort();
    // The order of an arbitrary folder does not show that 00 is its first class.
    base("pets", &names);
    let says = ["its classes are Ankle_boot, Bag, ...", "00, 01, 02, ...", "--allow-mismatch"];
    let says = says.map(|says| says.replace("Bag, ...", "Bag, Coat, ..."));
    place.run(line).refused(1, &says.each_ref().map(String::as_str));
    place.run(&format!("{line} --allow-mismatch")).done();
    // The order of a known data set does, whether the base has the names of that set or its own
    // names.
    base("pets", &NAMES.map(str::to_owned));
    let ended = place.run(line);
    assert!(ended.stderr.contains("by number: 00 is T-shirt_top"), "{}", ended.stderr);
    ended.done();
    base("fashion-mnist", &names);
    place.run(line).done();
    // Class names that are numbers are names like any others.
    base("pets", &(0..10).map(|class| class.to_string()).collect::<Vec<_>>());
    place.run(line).done();
}

#[test]
fn a_generator_is_evaluated_as_it_was_trained() {
    let place = Place::new();
    let train = "train --base base.safetensors --steps 1 --batch-size 4 --images 5 --quiet";
    let run = |flags: &str, out: &str| -> Evaluation {
        place.run(&format!("{train} {flags} --out {out}")).done();
        evaluation(&fs::read_to_string(place.path(out).join("eval.json")).unwrap())
    };
    let eval = "eval --base base.safetensors --images 5 --per-class --json --generator";
    let again = |flags: &str| evaluated(place.run(&format!("{eval} {flags}")));
    let a = run(
        "--chip 1 --ber 0.02 --precision 6 --bits 0-4 --layers !classifier* --lot 3 --shared 0.5",
        "a",
    );
    let (same, said) = again("a/generator.safetensors");
    assert_eq!(same, a);
    let says = "was trained for stuck-at, rate 0.02, chip 1, lot 3 (0.5 shared), bits 0-4, \
                layers !classifier*, 6-bit weights, and is evaluated so";
    assert!(said.contains(says), "{said}");
    // Each flag overrides only its own setting.
    let (other, said) = again("a/generator.safetensors --chip 2 --ber 0.03,0.02");
    let rates: Vec<f64> = other.perturbed.iter().map(Perturbed::ber).collect();
    assert_eq!(
        (rates, &other.perturbed[0].seeds[..], other.precision),
        (vec![0.03, 0.02], &[2][..], 6)
    );
    assert!(said.contains("with these flags: stuck-at, rate 0.03,0.02, chip 2"), "{said}");
    let (other, _) = again("a/generator.safetensors --seeds 7..9");
    assert_eq!((other.perturbed[0].seeds.len(), other.perturbed[0].ber()), (2, 0.02));

    // Rates per direction, and fresh chips.
    let b = run("--faults asymmetric --ber01 0.01 --ber10 0.03 --copies 1", "b");
    assert_eq!(again("b/generator.safetensors").0, b);

    // Generators trained for different faults share no table, unless flags decide; generators of one
    // name get two headings.
    let both = "a/generator.safetensors --generator b/generator.safetensors";
    let says = ["a/generator.safetensors was trained for stuck-at", "decide: --faults, --chip"];
    place.run(&format!("{eval} {both}")).refused(2, &says);
    let flags =
        "--faults flip --ber 0.01 --chip 5 --precision 8 --bits 0-7 --layers * --lot 1 --shared 0";
    let tables = place.run(&format!(
        "{both} {flags}",
        both = format_args!("{} {both}", eval.replace("--json ", ""))
    ));
    let tables = tables.done();
    for heading in ["ConvS (a/generator.safetensors)\n", "ConvS (b/generator.safetensors)\n"] {
        assert_eq!(tables.matches(heading).count(), 1, "{tables}");
    }

    // A generator in front of another base network is allowed, and reported.
    super::random_base("vgg-small", 2).save(place.path("base2.safetensors")).unwrap();
    let line = "eval --base base2.safetensors --images 5 --generator a/generator.safetensors --precision 8";
    let ended = place.run(line);
    assert!(
        ended.stderr.contains("trained in front of another base network, vgg-small"),
        "{ended:?}"
    );
    ended.done();
}

#[test]
fn a_measured_map_is_found_again_or_missed() {
    let place = Place::new();
    map(&place.path("map.csv"), 9);
    let train = "train --base base.safetensors --steps 1 --batch-size 4 --images 5 --chip map.csv";
    place.run(&format!("{train} --out run --quiet")).done();
    let eval =
        "eval --base base.safetensors --images 5 --json --generator run/generator.safetensors";
    let (evaluation, said) = evaluated(place.run(eval));
    assert_eq!(evaluation.perturbed[0].faults.kind(), FaultModel::Profile);
    assert!(said.contains("measured map map.csv"), "{said}");
    fs::rename(place.path("map.csv"), place.path("elsewhere.csv")).unwrap();
    let gone = ["the measured map that it was trained for is gone: map.csv", "--fault-map"];
    place.run(eval).refused(1, &gone);
    map(&place.path("map.csv"), 7);
    let other = ["trained for another measured map than map.csv", "--fault-map"];
    place.run(eval).refused(1, &other);
    // Flags override the measured map: the same map at its new path, another map, or drawn chips.
    let (same, _) = evaluated(place.run(&format!("{eval} --chip elsewhere.csv")));
    assert_eq!(same.perturbed[0].accuracy, evaluation.perturbed[0].accuracy);
    let (drawn, _) = evaluated(place.run(&format!("{eval} --ber 0.02 --seeds 1")));
    let faults = &drawn.perturbed[0].faults;
    assert_eq!((faults.kind(), faults.ber()), (FaultModel::StuckAt, 0.02));
    // The map is also found beside the generator.
    fs::rename(place.path("elsewhere.csv"), place.path("run/map.csv")).unwrap();
    let (beside, _) = evaluated(place.run(eval));
    assert_eq!(beside.perturbed[0].accuracy, evaluation.perturbed[0].accuracy);
}
