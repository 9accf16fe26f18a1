//! The main job on a small scale, and the contents of its files.
use super::{Place, evaluation};
use nf_gpu::{
    fault::FaultModel,
    files::{Weights, npy},
};
use serde_json::Value;
use std::{fs, path::Path};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Width and height of a PNG that can be decoded.
fn png(path: &Path) -> (u32, u32) {
    let image = image::load_from_memory(&fs::read(path).unwrap()).unwrap();
    (image.width(), image.height())
}

#[test]
fn train_eval_and_transform_agree() {
    let place = Place::new();
    let table = place
        .run(
            "train --base base.safetensors --dataset fashion-sample --steps 3 --batch-size 8 \
             --chip 1 --images 20 --out run",
        )
        .done();
    assert!(table.contains("CA(NF)") && table.contains("stuck-at"), "{table}");
    let read = |name: &str| fs::read_to_string(place.path("run").join(name)).unwrap();
    assert!(read("config.toml").contains("batch_size = 8"));
    let state = json(&read("state.json"));
    assert_eq!(
        (&state["step"], &state["checkpoint"]),
        (&3.into(), &"checkpoint.safetensors".into())
    );
    let lines: Vec<Value> = read("metrics.jsonl").lines().map(json).collect();
    let of = |kind: &str| -> Vec<&Value> { lines.iter().filter(|l| l["event"] == kind).collect() };
    let steps: Vec<u64> = of("step").iter().map(|l| l["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [1, 2, 3]);
    for line in of("step") {
        assert!(line["loss_clean"].as_f64().unwrap() > 0.0 && line["time"].is_f64(), "{line}");
    }
    let [evaluated] = of("evaluation")[..] else { panic!("{lines:?}") };
    assert_eq!((&evaluated["step"], &evaluated["split"]), (&3.into(), &"test".into()));
    let generator = Weights::load(place.path("run/generator.safetensors")).unwrap();
    assert_eq!((generator.meta("model"), generator.meta("chip")), (Some("ConvS"), Some("1")));
    let command = generator.meta("command").unwrap();
    assert!(command.starts_with("nf-gpu train --") && command.contains(" --chip 1"), "{command}");
    assert!(!command.contains("--out") && !command.contains("--data-dir"), "{command}");
    let results = generator.meta("results").unwrap().to_owned();
    let checkpoint = Weights::load(place.path("run/checkpoint.safetensors")).unwrap();
    for (name, tensor) in &generator.tensors {
        assert_eq!(checkpoint.tensors.get(name), Some(tensor), "{name}");
    }
    let (w, h) = png(&place.path("run/images.png"));
    assert!(w > 100 && h > 60, "images.png is {w} x {h}");
    let curves = read("curves.svg");
    assert!(
        curves.contains(">Training loss</text>") && curves.contains("class=\"line c0"),
        "{curves}"
    );

    let trained = evaluation(&read("eval.json"));
    assert_eq!((trained.version, trained.precision), (1, 8));
    // The voltage for a rate of 0.01 is known.
    let energy = trained.energy.as_ref().unwrap();
    assert_eq!((energy.voltage, energy.saving_percent < 30.6), (Some(0.83), true));
    assert!(fs::read_to_string(place.path("run/report.html")).unwrap().contains("<h1>"));
    assert_eq!((trained.dataset.images, trained.dataset.name.as_str()), (20, "fashion-sample"));
    assert_eq!(trained.generator.as_ref().unwrap().name, "ConvS");
    let [chip] = &trained.perturbed[..] else { panic!("{trained:?}") };
    let (kind, seeds) = (chip.faults.kind(), &chip.seeds[..]);
    assert_eq!((kind, chip.ber(), seeds), (FaultModel::StuckAt, 0.01, &[1][..]));
    let accuracy_nf = chip.accuracy_nf.as_ref().unwrap();
    assert_eq!(chip.recovery, Some(accuracy_nf.mean - chip.accuracy.mean));
    // What each number is, a unit test of `train::outcome` tells.
    let ends = format!("CA {:.2}, PA {:.2}, ", trained.clean.accuracy, chip.accuracy.mean);
    assert!(results.contains(&format!("stuck-at at a rate of 0.01, seed 1: {ends}")), "{results}");
    assert!((0.003..0.007).contains(&chip.flipped_bits.mean_rate), "{chip:?}");
    let flipped: u64 = chip.flipped_bits.per_bit.iter().sum();
    assert_eq!((chip.flipped_bits.per_bit.len(), flipped), (8, chip.flipped_bits.each[0]));

    let eval = "eval --base base.safetensors --generator run/generator.safetensors --images 20 \
                --per-class";
    let again = place.run(&format!("{eval} --seeds 1 --json")).evaluation();
    assert_eq!(again.given.generator.as_deref(), Some(Path::new("run/generator.safetensors")));
    assert_eq!(again, trained);

    let two = format!(
        "{eval} --seeds 1,2,3 --ber 0.01,0.05 --logits l.npy --csv m.csv --json --batch-size 8"
    );
    let more = place.run(&two).evaluation();
    assert_eq!((more.clean.clone(), more.perturbed.len()), (trained.clean.clone(), 2));
    let each = &more.perturbed[0].accuracy_nf.as_ref().unwrap().each;
    assert_eq!((each.len(), each[0]), (3, accuracy_nf.mean));
    let maps = fs::read_to_string(place.path("m.csv")).unwrap();
    let maps: Vec<Vec<&str>> = maps.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(
        (maps.len(), &maps[0][..4]),
        (1 + 6, &["base", "base_sha256", "generator", "generator_sha256"][..])
    );
    let column = |name: &str| maps[0].iter().position(|column| *column == name).unwrap();
    for (i, row) in maps[1..].iter().enumerate() {
        let p = &more.perturbed[i / 3];
        assert_eq!(row[column("seed")], (1 + i % 3).to_string());
        let wanted = p.accuracy_nf.as_ref().unwrap().each[i % 3];
        assert_eq!(row[column("accuracy_nf (%)")].parse(), Ok(wanted));
        assert_eq!(row[column("flipped_bits")].parse(), Ok(p.flipped_bits.each[i % 3]));
        // The voltage of 5 % is not known.
        assert_eq!(row[column("voltage (of Vmin)")], if i < 3 { "0.83" } else { "" });
    }
    let logits = npy::load_f32(place.path("l.npy")).unwrap();
    assert_eq!(logits.shape, [6, 20, 10]);
    assert!(logits.data.iter().all(|v| v.is_finite()));

    let pair = format!("{eval} --generator run/generator.safetensors --seeds 1 --json");
    let document = json(&place.run(&pair).done());
    let runs = document["runs"].as_array().unwrap();
    assert_eq!((runs.len(), &runs[0]["perturbed"]), (2, &json(&read("eval.json"))["perturbed"]));

    let transform = "transform --generator run/generator.safetensors run/images.png --out-dir out";
    place.run(transform).done();
    let mut pictures: Vec<_> = fs::read_dir(place.path("out"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    pictures.sort();
    assert_eq!(
        pictures,
        ["images.difference.png", "images.original.png", "images.transformed.png"]
    );
    let pixels = |kind| fs::read(place.path(&format!("out/images.{kind}.png"))).unwrap();
    assert_ne!(pixels("original"), pixels("transformed"));
    for name in &pictures {
        assert_eq!(png(&place.path("out").join(name)), (32, 32), "{name}");
    }
}

#[test]
fn a_pretrained_base_says_how_it_was_made() {
    let place = Place::of_few_images();
    let line = "pretrain --model vgg-small --dataset few --steps 1 --batch-size 4 \
                --precision 6 --seed 3 --out b.safetensors --metrics m.jsonl --quiet";
    let ended = place.run(line);
    assert_eq!(ended.stderr, "");
    let printed = ended.done();
    let base = Weights::load(place.path("b.safetensors")).unwrap();
    let accuracy = base.meta("accuracy").unwrap();
    assert_eq!(printed, format!("accuracy on the test set: {accuracy} %\n"));
    let said = ["model", "dataset", "precision", "seed"].map(|key| base.meta(key).unwrap());
    assert_eq!(said, ["vgg-small", "few", "6", "3"]);
    assert_eq!(fs::read_to_string(place.path("m.jsonl")).unwrap().lines().count(), 2);
    let line = "eval --base b.safetensors --seeds 1 --ber 0 --precision 6 --json";
    let evaluation = place.run(line).evaluation();
    assert_eq!(format!("{:.2}", evaluation.clean.accuracy), accuracy);
    assert_eq!(evaluation.perturbed[0].accuracy.each, [evaluation.clean.accuracy]);
    assert!(evaluation.generator.is_none() && evaluation.clean.accuracy_nf.is_none());
}

/// At a learning rate of 0 the weights stay those of the file, and only statistics of batches move.
#[test]
fn a_pretraining_may_begin_with_a_file() {
    let place = Place::of_few_images();
    let line = "pretrain --model vgg-small --dataset few --steps 1 --batch-size 4 --quiet";
    place.run(&format!("{line} --seed 3 --out a.safetensors")).done();
    place.run(&format!("{line} --seed 4 --lr 0 --init a.safetensors --out b.safetensors")).done();
    let [a, b] =
        ["a", "b"].map(|name| Weights::load(place.path(&format!("{name}.safetensors"))).unwrap());
    for (name, tensor) in a.tensors.iter().filter(|(name, _)| !name.contains("running")) {
        assert_eq!(tensor, &b.tensors[name], "{name}");
    }
    assert!(b.meta("command").unwrap().contains(" --init a.safetensors "));
    let other = line.replace("vgg-small", "resnet20");
    place
        .run(&format!("{other} --init a.safetensors --out c.safetensors"))
        .refused(1, &["a.safetensors", "check --model"]);
    place.run(&format!("{line} --init none.safetensors --out c.safetensors")).refused(1, &["none"]);
}

#[test]
fn a_pretraining_that_goes_on_keeps_its_metrics() {
    let place = Place::of_few_images();
    fs::write(place.path("m.jsonl"), "of something else\n").unwrap();
    let line = "pretrain --model vgg-small --dataset few --epochs 2 --batch-size 10 --out b.safetensors \
                --checkpoint c.safetensors --metrics m.jsonl --quiet";
    let lines = || {
        place.run(line).done();
        let text = fs::read_to_string(place.path("m.jsonl")).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    // Each epoch has two steps and an evaluation; a complete run is evaluated again.
    let (first, again) = (lines(), lines());
    assert_eq!((first.len(), again.len()), (6, 6), "{again:?}");
    assert_eq!(first[..5], again[..5]);
    // A checkpoint of another run is refused and stays unchanged.
    let ended = place.run(&line.replace("--epochs 2", "--epochs 3"));
    ended.refused(1, &["another run: steps was 4, now 6"]);
    let text = fs::read_to_string(place.path("m.jsonl")).unwrap();
    assert_eq!(text.lines().collect::<Vec<_>>(), again);
}

#[test]
fn devices_says_one_document() {
    let place = Place::new();
    let document = json(&place.run("devices --json").done());
    let adapters = document["adapters"].as_array().unwrap();
    assert_eq!((&document["used"], adapters.len()), (&0.into(), nf_gpu::gpu::list().len()));
    let table = place.run("devices").done();
    for adapter in adapters {
        assert!(table.contains(adapter["name"].as_str().unwrap()), "{table}");
    }
    assert!(table.contains("\nused: 0 "), "{table}");
}
