//! Files of other programs as inputs of the binary: their names and leftovers, weights that lie on a
//! grid, normalisations of other kinds.
use super::json;
use crate::cli::{Place, random_base};
use nf_gpu::{
    fault::{dequantize, quantize},
    files::{
        Tensor, Weights,
        safetensors::{self, Dtype, Raw},
    },
    models,
};
use std::collections::BTreeMap;

const IMPORT: &str = "import theirs.safetensors --model resnet20 --out ours.safetensors";

/// The tensors of a network under other names.
fn renamed(weights: &Weights, name: impl Fn(&str) -> String) -> BTreeMap<String, Raw> {
    let raw = |(n, t): (&String, &Tensor)| (name(n), Raw::f32(&t.shape, &t.data));
    weights.tensors.iter().map(raw).collect()
}

fn save(place: &Place, tensors: &BTreeMap<String, Raw>, metadata: &[(&str, &str)]) {
    let metadata = metadata.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
    safetensors::save(place.path("theirs.safetensors"), tensors, &metadata).unwrap();
}

/// A resnet20 with the weights of every layer changed, saved without metadata.
fn save_changed(place: &Place, change: impl Fn(&[f32]) -> Vec<f32>) -> Weights {
    let mut weights = random_base("resnet20", 3);
    let graph = models::base("resnet20", 10, None).unwrap();
    for layer in &graph.layers {
        let tensor = weights.tensors.get_mut(&graph.params[layer.weight].name).unwrap();
        tensor.data = change(&tensor.data);
    }
    save(place, &renamed(&weights, str::to_owned), &[]);
    weights
}

#[test]
fn what_other_programs_leave_in_a_file_is_understood() {
    let ours = random_base("resnet20", 3);
    let integer = |dtype: Dtype, bytes: usize| Raw { dtype, shape: vec![], bytes: vec![1; bytes] };
    let plain = || renamed(&ours, str::to_owned);
    let with = |mut tensors: BTreeMap<String, Raw>, more: &[(&str, Raw)]| {
        tensors.extend(more.iter().map(|(name, raw)| ((*name).to_owned(), raw.clone())));
        tensors
    };
    let average = renamed(&random_base("resnet20", 4), |name| format!("ema.{name}"));
    for (tensors, says) in [
        (renamed(&ours, |name| name.replace("layer1.0.", "layer1.0._orig_mod.")), ""),
        (renamed(&ours, |name| name.replace("linear.", "fc.")), "fc is read as linear"),
        (
            with(
                renamed(&ours, |name| format!("module.{name}")),
                &[("n_averaged", integer(Dtype::I64, 8))],
            ),
            "integers such as n_averaged",
        ),
        (
            with(plain(), &[("bn1.num_batches_tracked", integer(Dtype::I32, 4))]),
            "integers such as bn1",
        ),
        (
            with(
                plain(),
                &[
                    ("conv1.step_size", Raw::f32(&[], &[1.0])),
                    ("conv1.b_w", Raw::f32(&[8, 1], &[1.0; 8])),
                ],
            ),
            "2 tensors are left out: b_w, step_size",
        ),
        (plain().into_iter().chain(average).collect(), "average of the weights is left out: ema"),
    ] {
        let place = Place::new();
        save(&place, &tensors, &[]);
        let ended = place.run(IMPORT);
        assert!(ended.stderr.contains(says), "{says:?} in {}", ended.stderr);
        ended.done();
        let imported = Weights::load(place.path("ours.safetensors")).unwrap();
        assert!(imported.tensors == ours.tensors, "{says}");
    }
}

#[test]
fn flags_choose_among_what_a_file_holds() {
    let place = Place::new();
    let ours = random_base("resnet20", 3);
    let student = renamed(&ours, |name| format!("student.{}", name.replace("bn", "norm")));
    let teacher = renamed(&random_base("resnet20", 4), |name| format!("teacher.{name}"));
    save(&place, &student.into_iter().chain(teacher).collect(), &[]);
    place.run(IMPORT).refused(1, &["97 not known: student.conv1", "--drop"]);
    place.run(&format!("{IMPORT} --prefix studnt")).refused(
        2,
        &["--prefix", "did you mean student?", "student (97 tensors), teacher (97 tensors)"],
    );
    place.run(&format!("{IMPORT} --rename norm1")).refused(2, &["--rename", "not A=B"]);
    place.run(&format!("{IMPORT} --drop ema.*")).refused(2, &["--drop", "teacher (97"]);
    let renames = "--rename norm1=bn1 --rename norm2=bn2";
    for choice in ["--prefix student", "--drop teacher.*"] {
        let ended = place.run(&format!("{IMPORT} {choice} {renames} --json"));
        let report = json(&ended.done());
        assert!(report["notes"].as_array().unwrap().len() >= 3, "{report}");
        let imported = Weights::load(place.path("ours.safetensors")).unwrap();
        assert!(imported.tensors == ours.tensors, "{choice}");
    }
    place.run(&format!("{IMPORT} {renames}")).refused(1, &["2 copies of resnet20", "--prefix"]);
}

#[test]
fn words_are_called_quantised_at_every_door() {
    let place = Place::new();
    let ours = random_base("resnet20", 3);
    let eval = "eval --base theirs.safetensors --model resnet20 --seeds 1 --images 2";
    for dtype in [Dtype::I8, Dtype::U8, Dtype::I16, Dtype::I32, Dtype::I64] {
        let mut tensors = renamed(&ours, str::to_owned);
        for (name, tensor) in &mut tensors {
            if name.contains("conv") || name.contains("linear") {
                let count: usize = tensor.shape.iter().product();
                let bytes = vec![1; count * dtype.bitsize() / 8];
                *tensor = Raw { dtype, shape: tensor.shape.clone(), bytes };
            }
        }
        save(&place, &tensors, &[]);
        let generator = eval.replace("theirs", "base").replace("resnet20", "vgg-small");
        for line in [
            IMPORT,
            eval,
            &format!("{generator} --generator theirs.safetensors"),
            "inject --base theirs.safetensors --model resnet20 --out x.safetensors",
            "train --base theirs.safetensors --model resnet20 --steps 1 --out run",
        ] {
            let says =
                ["its weights are quantised (conv1.weight is", "before torch.ao's convert()"];
            place.run(line).refused(1, &says);
        }
    }
    // Counters are not quantised weights.
    let mut tensors = renamed(&ours, str::to_owned);
    let counter = Raw { dtype: Dtype::I64, shape: vec![1], bytes: vec![1; 8] };
    tensors.insert("bn1.num_batches_tracked".into(), counter);
    save(&place, &tensors, &[]);
    place.run(&format!("{eval} --dataset fashion-sample")).done();
}

#[test]
fn weights_on_a_grid_tell_their_precision() {
    let place = Place::new();
    let on_grid = save_changed(&place, |w| dequantize(&quantize(w, 4).unwrap()));
    let ended = place.run(IMPORT);
    assert!(ended.stderr.contains("4-bit grid: precision 4 is taken"), "{}", ended.stderr);
    ended.done();
    let imported = Weights::load(place.path("ours.safetensors")).unwrap();
    assert_eq!(imported.meta("precision"), Some("4"));
    assert!(imported.tensors == on_grid.tensors);
    // A flag overrides this.
    let ended = place.run(&format!("{IMPORT} --precision 8"));
    assert!(ended.stderr.contains("8 bits quantise them again"), "{}", ended.stderr);
    ended.done();
    let imported = Weights::load(place.path("ours.safetensors")).unwrap();
    assert_eq!(imported.meta("precision"), Some("8"));
    // Without an import the precision is not known.
    let eval = "eval --base theirs.safetensors --model resnet20 --dataset fashion-sample --images 20 --seeds 1 --ber 0.01";
    place.run(eval).refused(1, &["4-bit grid", "give --precision 4"]);
    // Float weights do not reveal a precision: 8 bits are assumed, and reported.
    save_changed(&place, <[f32]>::to_vec);
    let ended = place.run(IMPORT);
    assert!(ended.stderr.contains("8 bits per weight are taken; --precision"), "{}", ended.stderr);
}

#[test]
fn words_without_scale_or_with_faults_are_refused() {
    let steps = |w: &[f32]| quantize(w, 8).unwrap().steps().into_iter().map(|q| q as f32);
    let faulty = |w: &[f32]| {
        let mut stored = quantize(w, 8).unwrap();
        stored.words.iter_mut().step_by(9).for_each(|word| *word ^= 0x80);
        dequantize(&stored)
    };
    let eval = "eval --base theirs.safetensors --model resnet20 --dataset fashion-sample --images 20 --seeds 1 --ber 0.01";
    let place = Place::new();
    save_changed(&place, |w| steps(w).collect());
    let says = ["all weights of conv1 are whole numbers up to 127", "the scale is missing"];
    place.run(IMPORT).refused(1, &says);
    place.run(eval).refused(1, &says);
    place.run(&format!("{IMPORT} --precision 8")).done();
    save_changed(&place, faulty);
    let says = ["8-bit grid, but not as clean words do", "give the clean network", "--precision 8"];
    place.run(IMPORT).refused(1, &says);
    place.run(eval).refused(1, &says);
    let inject =
        "inject --base theirs.safetensors --model resnet20 --ber 0.01 --seed 7 --out f.safetensors";
    place.run(inject).refused(1, &says);
}

#[test]
fn words_are_multiplied_with_the_scale_beside_them() {
    let place = Place::new();
    let clean = save_changed(&place, |w| dequantize(&quantize(w, 8).unwrap()));
    let mut tensors = renamed(&clean, str::to_owned);
    for (name, tensor) in clean.tensors.iter().filter(|(_, tensor)| tensor.shape.len() > 1) {
        let stored = quantize(&tensor.data, 8).unwrap();
        let words: Vec<f32> = stored.steps().into_iter().map(|q| q as f32).collect();
        tensors.insert(name.clone(), Raw::f32(&tensor.shape, &words));
        let beside = name.replace("weight", "step_size");
        tensors.insert(beside, Raw::f32(&[1], &[stored.scale()]));
    }
    save(&place, &tensors, &[]);
    let ended = place.run(IMPORT);
    assert!(
        ended.stderr.contains("20 weights are words times their step_size"),
        "{}",
        ended.stderr
    );
    ended.done();
    let imported = Weights::load(place.path("ours.safetensors")).unwrap();
    assert!(imported.tensors == clean.tensors);
}

#[test]
fn quantised_files_are_called_so() {
    let place = Place::new();
    let mut tensors = renamed(&random_base("resnet20", 3), str::to_owned);
    let words = Raw { dtype: Dtype::I8, shape: vec![10, 64], bytes: vec![1; 640] };
    tensors.insert("linear.weight".into(), words);
    tensors.insert("linear.scale".into(), Raw::f32(&[], &[0.1]));
    save(&place, &tensors, &[]);
    place.run(IMPORT).refused(1, &["quantised (linear.weight is I8)", "export the floats"]);
}

#[test]
fn normalisations_of_other_values_are_refused_wherever_they_enter() {
    let place = Place::new();
    let bytes = "--input-mean 125.3,123.0,113.9 --input-std 63.0,62.1,66.7";
    let meant = "--input-mean 0.491373,0.482353,0.446667 --input-std 0.247059,0.243529,0.261569";
    let plain = renamed(&random_base("vgg-small", 3), str::to_owned);
    save(&place, &plain, &[]);
    let import = "import theirs.safetensors --model vgg-small --out ours.safetensors";
    let eval = "eval --base base.safetensors --images 20 --seeds 1 --ber 0.01";
    let train = "train --base base.safetensors --generator UNetS --ber 0.01 --out run --steps 1";
    for line in [import, eval, train] {
        place.run(&format!("{line} {bytes}")).refused(2, &["--input-mean", "bytes", meant]);
    }
    // The same holds for metadata in a file.
    save(&place, &plain, &[("input_mean", "125.3,123.0,113.9"), ("input_std", "63.0,62.1,66.7")]);
    place.run(import).refused(1, &["theirs.safetensors", "input_mean", meant]);
    let file = eval.replace("base.safetensors", "theirs.safetensors --model vgg-small");
    place.run(&file).refused(1, &["theirs.safetensors", "input_mean", meant]);
    place.run(&format!("{import} {meant}")).done();
}
