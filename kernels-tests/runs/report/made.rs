//! Documents and a run folder with everything in them, made without a GPU.
use nf_gpu::{
    fault::{FaultModel, Faults},
    report::eval_json::{
        Adapter, Base, ClassCounts, Clean, Document, Energy, EvaluatedGenerator, EvaluatedSet,
        Evaluation, FlippedBits, Given, LayerFlips, Part, Perturbed, Protected, Sensitivity,
        Spread, VERSION,
    },
};
use std::{fs, path::Path};

const RATES: [f64; 4] = [0.0035, 0.005, 0.01, 0.02];
const SEEDS: [u64; 10] = [50, 51, 52, 53, 54, 55, 56, 57, 58, 59];

/// Ten values around a mean, the same every time.
fn around(mean: f64, spread: f64) -> Vec<f64> {
    (0..10).map(|i| mean + spread * (f64::from(i * 7 % 10) - 4.5) / 4.5).collect()
}

fn counts(right: u64) -> ClassCounts {
    let row = |class: usize| (0..4).map(|a| if a == class { right } else { 10 }).collect();
    ClassCounts::new((0..4).map(row).collect())
}

/// One of the rates, with everything that can be said about it.
fn perturbed(ber: f64) -> Perturbed {
    let pa = 90.0 - 2000.0 * ber;
    let mut flips = FlippedBits::new(80_000, &[400; 10], &[500; 8]);
    let layer = |name: &str| LayerFlips {
        name: name.into(),
        stored_bits: 40_000,
        word_bits: None,
        flips: 2_000,
    };
    flips.per_layer = vec![layer("conv1.weight"), layer("layer1.0.conv2.weight")];
    let nf = around(pa + 20.0, 2.0);
    let faults = Faults::new(FaultModel::StuckAt, ber).unwrap().described(None);
    let p = Perturbed::new(faults, &SEEDS, &around(pa, 8.0), Some(&nf), flips);
    let energy = Energy {
        saving_percent: 20.0 + 300.0 * ber,
        base_saving_percent: Some(30.6),
        voltage: Some(0.83),
        energy_per_access: Some(0.694),
        base_accesses: Some(2_755_968),
        generator_accesses: Some(41_508),
    };
    Perturbed { classes: Some(counts(20)), classes_nf: Some(counts(80)), energy: Some(energy), ..p }
}

fn sensitivity() -> Sensitivity {
    let part = |name: String| {
        let accuracy = Spread::of(&around(80.0, 3.0));
        Part { name, stored_bits: 10_000, loss: 12.0, accuracy }
    };
    let protected = |i: u32| {
        let accuracy = Spread::of(&around(60.0 + f64::from(i), 2.0));
        Protected {
            name: format!("bit {}", 7 - i % 8),
            share: f64::from(i) / 8.0,
            accuracy,
            gain: 2.0,
        }
    };
    Sensitivity {
        faults: "stuck-at".into(),
        ber: 0.01,
        seeds: SEEDS.to_vec(),
        with_generator: false,
        clean: 92.0,
        everything: Spread::of(&around(50.0, 9.0)),
        bits: (0..8).map(|i| part(format!("bit {i}"))).collect(),
        layers: (0..30).map(|i| part(format!("layer{i}.conv.weight"))).collect(),
        protected_bits: (1..=8).map(protected).collect(),
        protected_layers: (1..=8).map(protected).collect(),
    }
}

/// An evaluation with every part that a document can have.
pub(crate) fn full(generator: &str) -> Evaluation {
    Evaluation {
        version: VERSION,
        adapter: Adapter {
            name: "llvmpipe".into(),
            backend: "vulkan".into(),
            driver: "Mesa".into(),
        },
        commit: "abc".into(),
        base: Base { model: "resnet20".into(), file_sha256: "00".into() },
        dataset: EvaluatedSet {
            name: "cifar10".into(),
            split: "test".into(),
            images: 10_000,
            subset: None,
            classes: ["cat", "dog", "frog", "ship"].map(str::to_owned).to_vec(),
            labels: None,
        },
        precision: 8,
        dtype: None,
        clean: Clean {
            accuracy: 92.0,
            accuracy_nf: Some(90.0),
            classes: Some(counts(90)),
            classes_nf: None,
        },
        generator: Some(EvaluatedGenerator { name: generator.into(), file_sha256: "11".into() }),
        perturbed: RATES.map(perturbed).to_vec(),
        energy: None,
        sensitivity: Some(sensitivity()),
        shard: None,
        given: Given::default(),
    }
}

/// A run folder with everything in it, made without a GPU.
pub(crate) fn run_folder(root: &Path) {
    fs::create_dir_all(root).unwrap();
    let config = "# nf-gpu 0.1.0 (abc)\nbase = \"base.safetensors\"\ngenerator = \"UNetS\"\n\
                  ber = 0.02\nepochs = 150\nsteps = 60\n";
    fs::write(root.join("config.toml"), config).unwrap();
    let mut lines = String::new();
    for step in 1..=60 {
        let loss = 2.0 / f64::from(step) + 0.3;
        lines += &format!(
            "{{\"event\":\"step\",\"step\":{step},\"steps\":60,\"epoch\":1,\"loss_clean\":{loss},\
             \"loss_perturbed\":{},\"lr\":0.005,\"images_per_s\":60.0,\"step_ms\":250.0,\
             \"seconds_left\":1.0,\"time\":{}}}\n",
            2.0 * loss,
            1_770_000_000 + step
        );
    }
    for step in [20, 40] {
        lines += &format!(
            "{{\"event\":\"evaluation\",\"step\":{step},\"epoch\":1,\"accuracy\":84.0,\
             \"accuracy_nf\":70.0,\"perturbed\":22.0,\"perturbed_nf\":{step},\"split\":\"held-out\",\
             \"time\":1770000100}}\n"
        );
    }
    fs::write(root.join("metrics.jsonl"), lines).unwrap();
    let mut e = full("UNetS");
    e.perturbed.truncate(1);
    Document::new(vec![e]).save(root.join("eval.json")).unwrap();
    // The smallest picture.
    let png = image::RgbImage::new(1, 1);
    png.save_with_format(root.join("images.png"), image::ImageFormat::Png).unwrap();
}
