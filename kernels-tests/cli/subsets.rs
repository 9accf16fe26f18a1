//! Which images are chosen when a number of images is given.
use super::{Place, evaluation, identity::folder};
use nf_gpu::{
    data::{Subset, Which},
    report::eval_json::Evaluation,
};
use std::{fs, path::Path};

/// Images of each class that were classified.
fn of_each_class(evaluation: &Evaluation) -> Vec<u64> {
    let classes = evaluation.clean.classes.as_ref().unwrap();
    classes.confusion.iter().map(|row| row.iter().sum()).collect()
}

#[test]
fn a_number_of_images_of_a_folder_is_spread_over_its_classes() {
    let place = Place::new();
    folder(&place.path("d"), 4, |class| class.to_string());
    let eval = "eval --base base.safetensors --seeds 1 --confusion --json --dataset";
    let subset = |which, of| Some(Subset { which, of });
    let ended = place.run(&format!("{eval} d --images 10"));
    let spread = ended.evaluation();
    assert_eq!(of_each_class(&spread), [1; 10]);
    assert_eq!(spread.dataset.subset, subset(Which::Spread, 40));
    // The same folder by another spelling.
    assert_eq!(
        place.run(&format!("{eval} ./d/../d/ --images 10")).evaluation().clean,
        spread.clean
    );
    // All images are no subset; for a named set the first images are chosen.
    assert_eq!(place.run(&format!("{eval} d --images 40")).evaluation().dataset.subset, None);
    let first = place.run(&format!("{eval} fashion-sample --images 10")).evaluation();
    assert_eq!(first.dataset.subset, subset(Which::First, 1000));
    for n in [0, 41] {
        let says = [&format!("--images: {n} of 40 images"), "leave it out for all"];
        place.run(&format!("{eval} d --images {n}")).refused(2, &says.map(|s| s as &str));
    }
    let table = place.run("eval --base base.safetensors --dataset d --seeds 1 --images 10");
    assert!(table.stderr.contains("10 of 40 test images, evenly spread;"), "{}", table.stderr);

    // A training's final evaluation uses the same choice, and images that were not chosen are not
    // read.
    let spoil = |path: &Path| fs::write(path, "no image").unwrap();
    spoil(&place.path("d/test/0/0.png"));
    let train = "train --base base.safetensors --dataset d --steps 1 --batch-size 4 --chip 1";
    place.run(&format!("{train} --images 10 --out run --quiet")).done();
    let trained = evaluation(&fs::read_to_string(place.path("run/eval.json")).unwrap());
    assert_eq!(trained.dataset.subset, subset(Which::Spread, 40));
    assert_eq!(trained.clean.accuracy, spread.clean.accuracy);
    place.run(&format!("{train} --images 41 --out run2")).refused(2, &["--images", "of 40 images"]);
    place.run(&format!("{eval} d --images 40")).refused(1, &["0.png"]);
}
