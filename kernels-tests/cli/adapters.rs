//! The same evaluation on every adapter.
use super::{Place, random_base};
use crate::extent::skipped;
use nf_gpu::{eval::argmax, files::npy, gpu, report::eval_json::Evaluation};

const IMAGES: usize = 40;
const SEEDS: usize = 2;

/// What one adapter answers.
struct Answers {
    name: String,
    evaluation: Evaluation,
    predictions: Vec<usize>,
}

fn answers(place: &Place, adapter: &str, flags: &str) -> Answers {
    let line = format!(
        "eval --base base.safetensors --images {IMAGES} --batch-size 20 --adapter {adapter} \
         --logits {adapter}.npy --json {flags}"
    );
    let evaluation = place.run(&line).evaluation();
    let logits = npy::load_f32(place.path(&format!("{adapter}.npy"))).unwrap();
    let name = format!("{} {}", evaluation.adapter.name, evaluation.adapter.backend);
    let predictions = logits.data.chunks(10).map(argmax).collect();
    Answers { name, evaluation, predictions }
}

#[test]
fn every_adapter_flips_the_same_bits_and_answers_alike() {
    let place = Place::new();
    // A random network gives one class as its answer to all images; with its mean logits subtracted
    // it uses many classes.
    let mut base = random_base("vgg-small", 1);
    let path = place.path("base.safetensors");
    place
        .run(&format!(
            "eval --base base.safetensors --images {IMAGES} --seeds 1 --ber 0 --logits m.npy"
        ))
        .done();
    let logits = npy::load_f32(place.path("m.npy")).unwrap().data;
    let mean = |class: usize| logits.iter().skip(class).step_by(10).sum::<f32>() / IMAGES as f32;
    base.insert("classifier.bias", &[10], (0..10).map(|class| -mean(class)).collect());
    base.save(&path).unwrap();

    let adapters = gpu::list();
    assert!(!adapters.is_empty(), "no adapter: install a Vulkan driver (scripts/driver.sh)");
    if adapters.len() == 1 {
        skipped(&format!("one adapter alone, {}, has nothing to compare with", adapters[0].line()));
    }
    for faults in ["stuck-at", "flip"] {
        let flags = format!("--faults {faults} --ber 0.01 --seeds 50000..50002");
        let all: Vec<Answers> =
            adapters.iter().map(|a| answers(&place, &a.index.to_string(), &flags)).collect();
        let first = &all[0];
        assert_eq!(first.predictions.len(), SEEDS * IMAGES);
        let classes = (0..10).filter(|class| first.predictions.contains(class)).count();
        assert!(classes >= 3, "{classes} classes tell little");
        for other in &all {
            println!("{}", other.name);
            let flips = |a: &Answers| a.evaluation.perturbed[0].flipped_bits.clone();
            assert_eq!(flips(other), flips(first), "{} and {}", other.name, first.name);
            let pairs = || other.predictions.iter().zip(&first.predictions);
            let differ = pairs().filter(|(a, b)| a != b).count();
            assert!(differ <= 2, "{differ} answers differ, {} and {}", other.name, first.name);
        }
    }
}
