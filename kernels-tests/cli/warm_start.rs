//! A training that begins with a generator.
use super::{Place, random_generator};
use nf_gpu::{
    files::{Weights, sha256},
    models,
    nn::initialise,
};
use std::fs;

/// Training that changes no parameter: one step with learning rate 0, in a place of few images.
const STILL: &str =
    "train --base base.safetensors --steps 1 --lr 0 --batch-size 4 --chip 1 --images 4 --quiet";

/// The parameters that training changes, without running statistics and metadata.
fn parameters(mut weights: Weights) -> Weights {
    // Running statistics are not trained.
    weights.tensors.retain(|name, _| !name.contains("running_"));
    weights.metadata.clear();
    weights.origin = Default::default();
    weights
}

#[test]
fn a_training_begins_with_the_generator_that_it_is_given() {
    let place = Place::of_few_images();
    // A generator whose kind is not the default.
    let mut unet = initialise(&models::generator("UNetS", [3, 32, 32]).unwrap(), false, 9);
    for (key, value) in
        [("model", "UNetS"), ("base", "vgg11"), ("faults", "reference"), ("ber", "0.01")]
    {
        unet.metadata.insert(key.into(), value.into());
    }
    unet.save(place.path("g.safetensors")).unwrap();
    let ended = place.run(&STILL.replace("--quiet", "--init g.safetensors --out run"));
    assert!(
        ended.stderr.contains(
            "the training begins with UNetS of g.safetensors, trained for reference, rate 0.01"
        ),
        "{ended:?}"
    );
    ended.done();
    let first = Weights::load(place.path("run/generator.safetensors")).unwrap();
    assert_eq!(first.meta("model"), Some("UNetS"));
    let sum = sha256(place.path("g.safetensors")).unwrap();
    assert_eq!(first.meta("init_sha256"), Some(&*sum));
    // The command on the page must be valid.
    let page = fs::read_to_string(place.path("run/report.html")).unwrap();
    assert!(page.contains("--init g.safetensors") && !page.contains("--init-sha256"), "{page}");
    assert_eq!(parameters(first.clone()), parameters(unet));
    // A second training begins with the result, with the kind given in other letter case.
    let again = "--init run/generator.safetensors --generator unets --out next";
    place.run(&format!("{STILL} {again}")).done();
    let next = Weights::load(place.path("next/generator.safetensors")).unwrap();
    assert_eq!(parameters(next.clone()), parameters(first.clone()));
    // Its running statistics continued from the initial ones: the same batch was seen once more.
    let of = |weights: &Weights| {
        let mut means = weights.tensors.iter().filter(|(name, _)| name.ends_with("running_mean"));
        means.next().unwrap().1.data.clone()
    };
    let (once, twice) = (of(&first), of(&next));
    assert!(once.iter().any(|mean| mean.abs() > 1e-4), "{once:?}");
    for (once, twice) in once.iter().zip(twice) {
        assert!((twice - 1.9 * once).abs() < 1e-5 * (1.0 + once.abs()), "{once}, {twice}");
    }
}

#[test]
fn a_run_goes_on_without_the_generator_that_it_began_with() {
    let place = Place::of_few_images();
    random_generator(32).save(place.path("g.safetensors")).unwrap();
    let train = STILL.replace("--steps 1 --lr 0", "--steps 2 --schedule constant");
    place.run(&format!("{train} --init g.safetensors --out run")).done();
    fs::remove_file(place.path("g.safetensors")).unwrap();
    place.run("train --resume run --steps 3 --quiet").done();
    let resumed = Weights::load(place.path("run/generator.safetensors")).unwrap();
    assert!(resumed.meta("init_sha256").is_some());
    // With another generator it is another run.
    let mut other = random_generator(32);
    other.metadata.insert("seed".into(), "2".into());
    other.save(place.path("other.safetensors")).unwrap();
    place.refuses(&[("train --resume run --init other.safetensors", 2, &["--init", "begin anew"])]);
    // Without a checkpoint, the generator's file must be the same.
    for file in ["checkpoint.safetensors", "checkpoint-previous.safetensors", "metrics.jsonl"] {
        let _ = fs::remove_file(place.path("run").join(file));
    }
    other.save(place.path("g.safetensors")).unwrap();
    let another = "g.safetensors: it is not the generator that the run began with";
    place.run("train --resume run --quiet").refused(1, &[another, "give that one back"]);
    random_generator(32).save(place.path("g.safetensors")).unwrap();
    place.run("train --resume run --quiet").done();
}

#[test]
fn what_is_no_generator_to_begin_with_is_refused() {
    let place = Place::of_few_images();
    random_generator(32).save(place.path("g.safetensors")).unwrap();
    let mut nameless = random_generator(32);
    nameless.metadata.clear();
    nameless.save(place.path("nameless.safetensors")).unwrap();
    let mut uip = initialise(&models::generator("UIP", [3, 16, 16]).unwrap(), false, 1);
    uip.metadata.insert("model".into(), "UIP".into());
    uip.save(place.path("small.safetensors")).unwrap();
    let line = |flags: &str| format!("{STILL} --out run {flags}");
    let [kind, base, none, small, gone, over] = [
        "--init g.safetensors --generator UNetS",
        "--init base.safetensors",
        "--init nameless.safetensors",
        "--init small.safetensors",
        "--init gone.safetensors",
        "--init run/generator.safetensors",
    ]
    .map(line);
    fs::create_dir(place.path("run")).unwrap();
    random_generator(32).save(place.path("run/generator.safetensors")).unwrap();
    place.refuses(&[
        (&kind, 2, &["--init", "g.safetensors holds ConvS, not UNetS", "leave out --generator"]),
        (&base, 2, &["vgg-small", "ConvS"]),
        (&none, 1, &["does not say which generator it holds"]),
        (&small, 1, &["small.safetensors"]),
        (&gone, 1, &["gone.safetensors"]),
        (&over, 2, &["--init"]),
    ]);
}
