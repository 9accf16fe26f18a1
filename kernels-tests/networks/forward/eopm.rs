//! `forward --eopm`: one step equals its parts computed one by one, and the reference code.
use super::json;
use crate::cli::random_base;
use crate::{
    cli::Place,
    networks::evaluator::{relative_l2, wide},
    networks::golden::Golden,
};
use nf_gpu::files::{Weights, npy};

/// A vgg-small behind UNetS, clean and with two maps: the step's gradient is the generator's gradient
/// for the sum of the base's gradients, each computed alone.
#[test]
fn a_step_is_the_sum_of_its_parts() {
    const SHAPE: [usize; 4] = [2, 3, 32, 32];
    let (place, golden) = (Place::new(), Golden::load("UNetS"));
    golden.parameters.save(place.path("g.safetensors")).unwrap();
    random_base("vgg-small", 5).save(place.path("b.safetensors")).unwrap();
    npy::save_f32(place.path("x.npy"), &SHAPE, &golden.file.tensors["input"].data).unwrap();
    npy::save_i32(place.path("labels.npy"), &[2], &[3, 9]).unwrap();
    let eopm = "forward --eopm --generator-weights g.safetensors --generator unets --model vgg-small \
                --weights b.safetensors --input x.npy --labels labels.npy --faults flip --ber 0.01 \
                --seeds 11,12 --lambda 3 --grads g.all --json";
    let report = json(&place.run(eopm).done());
    let all = Weights::load(place.path("g.all")).unwrap();

    let g = "forward --model UNetS --weights g.safetensors --input x.npy --mode train";
    place.run(&format!("{g} --output f.npy")).done();
    let mut upstream = vec![0.0f32; SHAPE.iter().product()];
    let mut losses = Vec::new();
    for (weight, faults) in [
        (1.0, ""),
        (1.5, "--faults flip --ber 0.01 --seed 11"),
        (1.5, "--faults flip --ber 0.01 --seed 12"),
    ] {
        let b = "forward --model vgg-small --weights b.safetensors --input f.npy --output y.npy";
        let line = format!("{b} --labels labels.npy --grads g.one --json {faults}");
        let report = json(&place.run(&line).done());
        losses.push(report["loss"].as_f64().unwrap());
        let one = Weights::load(place.path("g.one")).unwrap();
        let one = &one.get("grad.input", &SHAPE).unwrap().data;
        upstream.iter_mut().zip(one).for_each(|(sum, d)| *sum += weight * d);
    }
    npy::save_f32(place.path("u.npy"), &SHAPE, &upstream).unwrap();
    place.run(&format!("{g} --output f.npy --upstream u.npy --grads g.sum")).done();
    let sum = Weights::load(place.path("g.sum")).unwrap();
    assert_eq!(all.tensors.len() + 1, sum.tensors.len()); // grad.input
    for (name, tensor) in &all.tensors {
        let error = relative_l2(&sum.tensors[name].data, &wide(&tensor.data));
        assert!(error < 1e-4, "{name}: {error:.1e}");
    }
    let near = |got: &serde_json::Value, want: f64| {
        assert!((got.as_f64().unwrap() - want).abs() < 1e-5 * want, "{got}, expected {want}");
    };
    for (seed, faulty) in [(0, losses[1]), (1, losses[2])] {
        near(&report["losses"][seed][0], losses[0]);
        near(&report["losses"][seed][1], faulty);
    }
    assert_ne!(report["losses"][0][1], report["losses"][1][1]);
    near(&report["loss"], losses[0] + 1.5 * (losses[1] + losses[2]));
    assert_eq!(report["faults"]["seeds"], serde_json::json!([11, 12]));
}

/// The softmax of a row at a temperature.
fn softmax(row: &[f64], temperature: f64) -> Vec<f64> {
    let e: Vec<f64> = row.iter().map(|v| (v / temperature).exp()).collect();
    e.iter().map(|v| v / e.iter().sum::<f64>()).collect()
}

/// The same without labels: the three copies are trained to give the clean network's logits of the
/// untouched images. Distances and gradients of the logits are computed here, in f64.
#[test]
fn a_distillation_is_the_sum_of_its_parts() {
    const SHAPE: [usize; 4] = [2, 3, 32, 32];
    const T: f64 = 2.0;
    let (place, golden) = (Place::new(), Golden::load("UNetS"));
    golden.parameters.save(place.path("g.safetensors")).unwrap();
    random_base("vgg-small", 5).save(place.path("b.safetensors")).unwrap();
    npy::save_f32(place.path("x.npy"), &SHAPE, &golden.file.tensors["input"].data).unwrap();
    let eopm = "forward --eopm --generator-weights g.safetensors --generator unets --model vgg-small \
                --weights b.safetensors --input x.npy --faults flip --ber 0.01 --seeds 11,12 --lambda 3 \
                --loss distill --temperature 2 --grads g.all --json";
    let report = json(&place.run(eopm).done());
    let all = Weights::load(place.path("g.all")).unwrap();

    let g = "forward --model UNetS --weights g.safetensors --input x.npy --mode train";
    place.run(&format!("{g} --output f.npy")).done();
    let b = "forward --model vgg-small --weights b.safetensors";
    let logits = |flags: &str| -> Vec<Vec<f64>> {
        place.run(&format!("{b} {flags} --output y.npy")).done();
        npy::load_f32(place.path("y.npy")).unwrap().data.chunks(10).map(wide).collect()
    };
    let teacher = logits("--input x.npy");
    let mut upstream = vec![0.0f32; SHAPE.iter().product()];
    let mut losses = Vec::new();
    for (weight, faults) in [
        (1.0, ""),
        (1.5, "--faults flip --ber 0.01 --seed 11"),
        (1.5, "--faults flip --ber 0.01 --seed 12"),
    ] {
        let (mut loss, mut dlogits) = (0.0, Vec::new());
        for (z, t) in logits(&format!("--input f.npy {faults}")).iter().zip(&teacher) {
            let (q, p) = (softmax(z, T), softmax(t, T));
            loss += p.iter().zip(&q).map(|(p, q)| T * T * p * (p / q).ln()).sum::<f64>() / 2.0;
            dlogits.extend(q.iter().zip(&p).map(|(q, p)| (T * (q - p) / 2.0) as f32));
        }
        losses.push(loss);
        npy::save_f32(place.path("d.npy"), &[2, 10], &dlogits).unwrap();
        let line =
            format!("{b} --input f.npy --output y.npy --upstream d.npy --grads g.one {faults}");
        place.run(&line).done();
        let one = Weights::load(place.path("g.one")).unwrap();
        let one = &one.get("grad.input", &SHAPE).unwrap().data;
        upstream.iter_mut().zip(one).for_each(|(sum, d)| *sum += weight * d);
    }
    npy::save_f32(place.path("u.npy"), &SHAPE, &upstream).unwrap();
    place.run(&format!("{g} --output f.npy --upstream u.npy --grads g.sum")).done();
    let sum = Weights::load(place.path("g.sum")).unwrap();
    for (name, tensor) in &all.tensors {
        let error = relative_l2(&sum.tensors[name].data, &wide(&tensor.data));
        assert!(error < 1e-4, "{name}: {error:.1e}");
    }
    let near = |got: &serde_json::Value, want: f64| {
        assert!(
            (got.as_f64().unwrap() - want).abs() < 1e-4 * want + 1e-6,
            "{got}, expected {want}"
        );
    };
    for (seed, faulty) in [(0, losses[1]), (1, losses[2])] {
        near(&report["losses"][seed][0], losses[0]);
        near(&report["losses"][seed][1], faulty);
    }
    near(&report["loss"], losses[0] + 1.5 * (losses[1] + losses[2]));
    let with_labels = format!("{eopm} --labels labels.npy");
    place.run(&with_labels).refused(2, &["--labels: a distillation"]);
    let base = format!("{b} --input x.npy --output y.npy --temperature 2");
    place.run(&base).refused(2, &["--temperature: it belongs to --eopm"]);
}
