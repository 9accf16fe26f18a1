//! `nf-gpu forward` and `nf-gpu import` as a user runs them: the values, and what they refuse.
mod doors;
mod eopm;
mod groups;
mod import;
mod packed;
mod parts;
mod refusals;
mod strangers;

use crate::{
    cli::Place,
    networks::evaluator::{Evaluator, norm, relative_l2, wide},
    networks::golden::{GRADIENT, Golden, OUTPUT, Worst, biases_before_norms},
    networks::whole::{layer_weights, quiet_images, weights},
};
use nf_gpu::{
    fault::{FaultModel, Faults, dequantize, inject, quantize},
    files::{Weights, npy},
    kernels::twin::Random,
    models,
};

/// One of the lines that end what a command prints with `--json`.
pub(crate) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn check_generator(name: &str) {
    let place = Place::new();
    let golden = Golden::load(name);
    golden.parameters.save(place.path("g.safetensors")).unwrap();
    for input in ["input", "upstream"] {
        let images = golden.file.get(input, &[2, 3, 32, 32]).unwrap();
        npy::save_f32(place.path(&format!("{input}.npy")), &images.shape, &images.data).unwrap();
    }
    let line = format!("forward --model {name} --weights g.safetensors --input input.npy");
    let mut outputs = Worst::new(OUTPUT);
    let mut output = |file: &str, want: &str| {
        let got = npy::load_f32(place.path(file)).unwrap();
        assert_eq!(got.shape, [2, 3, 32, 32]);
        let want = &golden.file.tensors[want].data;
        outputs.take(file, &got.data, &wide(want));
        got.data
            .iter()
            .zip(&golden.file.tensors["upstream"].data)
            .map(|(y, u)| f64::from(*y) * f64::from(*u))
            .sum::<f64>()
    };
    place.run(&format!("{line} --output eval.npy")).done();
    output("eval.npy", "output.eval");
    let train = "--mode train --output train.npy --after after.safetensors";
    let grads = "--upstream upstream.npy --grads grads.safetensors --json";
    let report = json(&place.run(&format!("{line} {train} {grads}")).done());
    let loss = output("train.npy", "output.train");
    assert!((report["loss"].as_f64().unwrap() - loss).abs() < 1e-9 * loss.abs());
    assert_eq!((&report["model"], &report["mode"]), (&name.into(), &"train".into()));

    let gradients = Weights::load(place.path("grads.safetensors")).unwrap();
    let after = Weights::load(place.path("after.safetensors")).unwrap();
    let exempt = biases_before_norms(&golden.graph);
    let (mut grads, mut seen) = (Worst::new(GRADIENT), 0);
    for (name, want) in &golden.file.tensors {
        if name.starts_with("after.") {
            let got = after.get(name, &want.shape).unwrap();
            outputs.take(name, &got.data, &wide(&want.data));
            seen += 1;
        } else if let Some(bare) = name.strip_prefix("grad.") {
            let got = &gradients.get(name, &want.shape).unwrap().data;
            if let Some((weight, _)) = exempt.iter().find(|(_, bias)| *bias == bare) {
                let weight = &golden.file.tensors[&format!("grad.{weight}")].data;
                assert!(norm(&wide(got)) <= 1e-5 * norm(&wide(weight)), "{name} is not zero");
            } else {
                grads.take(name, got, &wide(&want.data));
            }
            seen += 1;
        }
    }
    // And the gradient of the images, which the golden file does not have.
    assert_eq!(gradients.tensors.len() + after.tensors.len(), seen + 1);
    outputs.report(&format!("forward {name} outputs"));
    grads.report(&format!("forward {name} gradients"));
}

/// The gradient of the images, along `x` and through `G`, against f64 on the CPU.
fn check_input_gradient(name: &str, training: bool) {
    const SHAPE: [usize; 4] = [1, 3, 32, 32];
    let (place, golden) = (Place::new(), Golden::load(name));
    golden.parameters.save(place.path("g.safetensors")).unwrap();
    let graph = &golden.graph;
    let layer = |i| dequantize(&quantize(layer_weights(graph, &golden.parameters, i), 8).unwrap());
    let weights = (0..graph.layers.len()).map(layer).collect();
    let net = Evaluator { graph, parameters: &golden.parameters, weights, training };
    let mut random = Random::new(9);
    let (x, values) = quiet_images(&mut random, 3 * 32 * 32, std::slice::from_ref(&net));
    let upstream = random.floats(x.len());
    let inside = |i: usize| (f64::from(x[i]) + values[0].output()[i]).abs() <= 1.0;
    let dg = |i: usize| if inside(i) { f64::from(upstream[i]) } else { 0.0 };
    let dg: Vec<f64> = (0..x.len()).map(dg).collect();
    assert!(dg.contains(&0.0), "nothing is clamped");
    let through = net.backward(&values[0], &dg).images;
    let want: Vec<f64> = dg.iter().zip(through).map(|(along, through)| along + through).collect();
    npy::save_f32(place.path("x.npy"), &SHAPE, &x).unwrap();
    npy::save_f32(place.path("u.npy"), &SHAPE, &upstream).unwrap();
    let mode = if training { "train" } else { "eval" };
    let line = format!(
        "forward --model {name} --weights g.safetensors --input x.npy --output y.npy --upstream \
         u.npy --grads g --mode {mode}"
    );
    place.run(&line).done();
    let gradients = Weights::load(place.path("g")).unwrap();
    assert_eq!(gradients.tensors.len() > 1, training, "parameters have gradients in training only");
    let error = relative_l2(&gradients.get("grad.input", &SHAPE).unwrap().data, &want);
    println!("{name} {mode}: {error:.1e}");
    assert!(error < GRADIENT, "{name} {mode}: {error:.1e}");
}

#[test]
fn generators_have_a_gradient_of_the_images() {
    for name in ["ConvS", "UNetS"] {
        check_input_gradient(name, false);
        check_input_gradient(name, true);
    }
}

#[test]
fn generators_are_the_reference_implementations() {
    check_generator("ConvS");
    check_generator("UNetS");
}

/// Logits, loss and gradient of the images with the faults of a seed, against f64 on the CPU.
fn check_base(name: &str, faulty: bool) {
    const SHAPE: [usize; 4] = [2, 3, 32, 32];
    const BITS: u32 = 6;
    let place = Place::new();
    let normalisation = ([0.49, 0.48, 0.45], [0.25, 0.24, 0.26]);
    let graph = models::base(name, 7, Some(normalisation)).unwrap();
    let weights = weights(&graph, 21);
    weights.save(place.path("w.safetensors")).unwrap();
    let faults = Faults::new(FaultModel::Flip, 0.01).unwrap();
    let mut flipped = 0;
    let mut layer = |i: usize| {
        let stored = quantize(layer_weights(&graph, &weights, i), BITS).unwrap();
        let (read, flips) = inject(&stored, &faults.map(77).unwrap(), graph.places()[i]);
        flipped += flips.total;
        dequantize(if faulty { &read } else { &stored })
    };
    let layers = (0..graph.layers.len()).map(&mut layer).collect();
    let net = Evaluator { graph: &graph, parameters: &weights, weights: layers, training: false };
    let (mut images, mut logits, mut dx, mut loss) = (vec![], vec![], vec![], 0.0);
    let (labels, mut random) = ([6, 0], Random::new(5));
    for &label in &labels {
        let (image, values) = quiet_images(&mut random, 3 * 32 * 32, std::slice::from_ref(&net));
        let row = values[0].output().to_vec();
        let sum: f64 = row.iter().map(|v| v.exp()).sum();
        loss += (sum.ln() - row[label as usize]) / 2.0;
        let share = |(i, v): (usize, &f64)| v.exp() / sum - f64::from(i == label as usize);
        let dlogits: Vec<f64> = row.iter().enumerate().map(|cell| share(cell) / 2.0).collect();
        dx.extend(net.backward(&values[0], &dlogits).images);
        logits.extend(row);
        images.extend(image);
    }
    npy::save_f32(place.path("x.npy"), &SHAPE, &images).unwrap();
    npy::save_i32(place.path("labels.npy"), &[2], &labels).unwrap();
    let line = format!(
        "forward --model {name} --weights w.safetensors --input x.npy --output y.npy --labels \
         labels.npy --grads g.safetensors --json --precision {BITS} --input-mean 0.49,0.48,0.45 \
         --input-std 0.25,0.24,0.26 {}",
        if faulty { "--faults flip --ber 0.01 --seed 77" } else { "" }
    );
    let report = json(&place.run(&line).done());
    let got = npy::load_f32(place.path("y.npy")).unwrap();
    assert_eq!(got.shape, [2, 7]);
    assert!(relative_l2(&got.data, &logits) < 5e-6);
    assert!((report["loss"].as_f64().unwrap() - loss).abs() < 5e-6 * loss);
    let gradient = Weights::load(place.path("g.safetensors")).unwrap();
    let got = &gradient.get("grad.input", &SHAPE).unwrap().data;
    assert!(relative_l2(got, &dx) < 2e-5);
    let faults = &report["faults"];
    if !faulty {
        assert!(faults.is_null(), "{report}");
        return;
    }
    assert_eq!((&faults["flipped_bits"], &faults["seeds"]), (&[flipped].into(), &[77].into()));

    // The same gradient through `--upstream`, without labels.
    let sums = logits.chunks(7).map(|row| row.iter().map(|v| v.exp()).sum::<f64>());
    let upstream: Vec<f32> = logits
        .chunks(7)
        .zip(sums)
        .zip(labels)
        .flat_map(|((row, sum), label)| {
            let cell = move |(i, v): (usize, &f64)| {
                ((v.exp() / sum - f64::from(i == label as usize)) / 2.0) as f32
            };
            row.iter().enumerate().map(cell).collect::<Vec<_>>()
        })
        .collect();
    npy::save_f32(place.path("u.npy"), &[2, 7], &upstream).unwrap();
    place.run(&line.replace("--labels labels.npy", "--upstream u.npy")).done();
    let gradient = Weights::load(place.path("g.safetensors")).unwrap();
    assert!(relative_l2(&gradient.get("grad.input", &SHAPE).unwrap().data, &dx) < 2e-5);
}

#[test]
fn a_base_gives_logits_loss_and_gradient() {
    check_base("vgg-small", false);
}

#[test]
fn a_faulty_base_is_the_same_chip_as_on_the_host() {
    check_base("resnet20", true);
}
