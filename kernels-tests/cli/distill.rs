//! `train --loss distill`: images without labels or classes, and agreement in place of accuracy.
use super::{Place, evaluation};
use nf_gpu::files::Weights;
use std::fs;

const TRAIN: &str =
    "train --base base.safetensors --generator UNetS --steps 2 --batch-size 4 --chip 1";

/// The images of a place [of few images](Place::of_few_images), all in one folder.
fn unsorted(place: &Place) {
    fs::create_dir(place.path("mine")).unwrap();
    for class in 'a'..='j' {
        for i in 0..2 {
            let from = place.path(&format!("few/train/{class}/{i}.ppm"));
            fs::copy(from, place.path(&format!("mine/{class}{i}.ppm"))).unwrap();
        }
    }
}

#[test]
fn a_folder_without_classes_is_trained_on_and_agreement_is_measured() {
    let place = Place::of_few_images();
    unsorted(&place);
    let train = format!("{TRAIN} --dataset mine");
    let refused = place.run(&format!("{train} --out run"));
    refused.refused(1, &["mine: ", "they have no labels", "--loss distill"]);
    let dry = place.run(&format!("{train} --dry-run"));
    dry.refused(1, &["they have no labels", "--loss distill"]);
    let run =
        place.run(&format!("{train} --loss distill --temperature 2 --eval-every 1 --out run"));
    for part in [
        "2 of the 20 images, evenly spread, are kept for testing",
        "loss: distill at temperature 2",
        "step 1, held-out, agreement with the clean network:",
    ] {
        assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
    }
    let table = run.done();
    assert!(table.contains("whose answer is the clean network's"), "{table}");
    let e = evaluation(&fs::read_to_string(place.path("run/eval.json")).unwrap());
    assert_eq!((e.dataset.labels.as_deref(), e.dataset.images), (Some("clean network"), 2));
    // The network agrees with itself.
    assert_eq!(e.clean.accuracy, 100.0);
    let generator = Weights::load(place.path("run/generator.safetensors")).unwrap();
    assert_eq!(
        (generator.meta("loss"), generator.meta("temperature")),
        (Some("distill"), Some("2"))
    );
    let page = fs::read_to_string(place.path("run/report.html")).unwrap();
    for part in ["Agreement", "KL divergence", "--loss distill", "--temperature 2"] {
        assert!(page.contains(part), "no {part:?} in the page");
    }
    // Checks the text that a reader sees; the page's own style sheet may use the words.
    let body = page.split("</style>").last().unwrap().to_lowercase();
    for text in [&*body, &*table.to_lowercase()] {
        assert!(!text.contains("accuracy"), "accuracy is spoken of: {text}");
    }
    // Evaluated again, the generator gets the images that its training left out.
    let again = place
        .run(
            "eval --base base.safetensors --generator run/generator.safetensors --per-class --json",
        )
        .evaluation();
    assert_eq!((&again.clean, &again.dataset), (&e.clean, &e.dataset));
    assert_eq!(again.perturbed[0].accuracy_nf, e.perturbed[0].accuracy_nf);
    // With the run's folder inside the data set, pictures of the run would be images of the next
    // run.
    place.run(&format!("{train} --loss distill --out mine/run")).refused(2, &["--dataset"]);
    let wrong = "pretrain --model vgg-small --dataset mine --out b.safetensors --steps 1";
    place.run(wrong).refused(1, &["they have no labels"]);
}

#[test]
fn a_run_keeps_to_its_loss() {
    let place = Place::of_few_images();
    let train = format!("{TRAIN} --images 2 --quiet");
    place.run(&format!("{train} --loss distill --out distilled")).done();
    place.run(&format!("{train} --out labelled")).done();
    let on = |run: &str, flags: &str| place.run(&format!("train --resume {run} --steps 3 {flags}"));
    on("distilled", "--loss labels")
        .refused(2, &["--loss: the run began with distill, not labels"]);
    on("distilled", "--temperature 2").refused(2, &["--temperature: the run began without it"]);
    on("labelled", "--loss distill")
        .refused(2, &["--loss: the run began with labels, not distill"]);
    on("distilled", "--temperature 1 --loss distill --quiet").done();
    // Settings of versions that had no other loss mean labels.
    let path = place.path("labelled/config.toml");
    let config = fs::read_to_string(&path).unwrap();
    assert!(config.contains("loss = \"labels\"\n"), "{config}");
    fs::write(&path, config.replace("loss = \"labels\"\n", "")).unwrap();
    on("labelled", "--quiet").done();
    // A checkpoint records its loss, whatever the settings say now.
    let path = place.path("distilled/config.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace("loss = \"distill\"\n", "")).unwrap();
    place
        .run("train --resume distilled --steps 4")
        .refused(1, &["loss was distill at temperature 1"]);
    let flags = [
        ("--temperature 2", "labels have no temperature"),
        ("--loss distill --temperature 0", "0"),
    ];
    for (flags, says) in flags {
        place.run(&format!("{train} {flags} --out x")).refused(2, &["--temperature: ", says]);
    }
}
