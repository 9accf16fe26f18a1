//! Faults in quantised activations (`--faults-in activations`): which cells they have, and what refuses them.
use super::{
    evaluation,
    onnx::{evaluated, place_of},
};
use nf_gpu::{
    fault::{FaultModel, Faults, Memory, Place as Stored},
    report::eval_json::FlippedBits,
};
use std::fs;

/// Flips of a map of `flip` faults in a buffer of so many values an image: its cells, whatever is stored.
fn cells(seed: u64, ber: f64, layer: u32, values: u32, images: impl Iterator<Item = u32>) -> u64 {
    let faults = Faults::new(FaultModel::Flip, ber).unwrap();
    let faults = faults.in_memories("activations".parse().unwrap()).unwrap();
    let (map, words) = (faults.map(seed).unwrap(), values.div_ceil(4));
    let of_image = |image: u32| -> u64 {
        let of_word = |word: u32| {
            let place = Stored { layer, address: 0 };
            let cells = map.faulty_in(Memory::Activations, place, image * words + word).to_1;
            let there = u32::MAX >> (32 - 8 * (values - 4 * word).min(4));
            u64::from((cells & there).count_ones())
        };
        (0..words).map(of_word).sum()
    };
    images.map(of_image).sum()
}

#[test]
fn every_image_has_the_cells_that_its_place_in_the_set_gives_it() {
    let place = place_of("int8/fashion.onnx");
    let eval = "--faults flip --ber 0.003";
    let run = |flags: &str| evaluated(&place, &format!("--base net.onnx {eval} {flags}"));
    let clean = run("--seeds 5");
    assert_eq!(clean.perturbed[0].flipped_activation_bits, None);
    let whole = run("--seeds 5,6 --faults-in activations");
    let p = &whole.perturbed[0];
    assert_eq!(p.flipped_bits.each, [0, 0], "weights do not fail");
    let flipped = p.flipped_activation_bits.clone().unwrap();
    assert_eq!(flipped.each.iter().sum::<u64>(), flipped.per_bit.iter().sum::<u64>());
    assert!(flipped.per_layer.len() > 3, "{flipped:?}");
    let images = whole.dataset.images;
    let values = |of: &FlippedBits, i: usize| (of.per_layer[i].stored_bits / images / 8) as u32;
    for (i, layer) in (0..).zip(&flipped.per_layer) {
        let wanted: u64 = [5, 6]
            .map(|seed| cells(seed, 0.003, i, values(&flipped, i as usize), 0..images as u32))
            .iter()
            .sum();
        assert_eq!(layer.flips, wanted, "{}", layer.name);
    }
    // The same whatever the batch; behind a generator or not, a map has its cells.
    let cut = run("--seeds 5,6 --faults-in activations --batch-size 30");
    assert_eq!(cut.perturbed, whole.perturbed);
    // One buffer alone, and the cells of image 0 for all.
    let name = &flipped.per_layer[1].name;
    let alone =
        run(&format!("--seeds 5 --faults-in activations --layers {name} --activation-map fixed"));
    let alone = alone.perturbed[0].flipped_activation_bits.clone().unwrap();
    for (i, layer) in alone.per_layer.iter().enumerate() {
        let same = (0..images).map(|_| 0);
        let wanted = if i == 1 { cells(5, 0.003, 1, values(&alone, 1), same) } else { 0 };
        assert_eq!(layer.flips, wanted, "{}", layer.name);
    }
    // Weights have the cells that they have alone.
    let both = run("--seeds 5 --faults-in weights,activations");
    assert_eq!(both.perturbed[0].flipped_bits, clean.perturbed[0].flipped_bits);
    let of_both = both.perturbed[0].flipped_activation_bits.as_ref().unwrap();
    assert_eq!(of_both.each, flipped.each[..1]);
    // Enough faults cost answers.
    let broken = evaluated(&place, "--base net.onnx --ber 0.2 --seeds 1 --faults-in activations");
    assert!(broken.perturbed[0].accuracy.mean < broken.clean.accuracy - 10.0, "{broken:?}");
}

#[test]
fn a_generator_is_trained_for_faulty_activations() {
    let place = place_of("int8/fashion.onnx");
    let train = "train --base net.onnx --generator UNetS --dataset fashion-sample --faults stuck-at --ber 0.02 \
                 --chip 1 --faults-in activations --activation-map fixed --steps 2 --batch-size 8 --micro-batch 3 \
                 --images 50 --out run --quiet";
    place.run(train).done();
    let trained = evaluation(&fs::read_to_string(place.path("run/eval.json")).unwrap());
    let flipped = trained.perturbed[0].flipped_activation_bits.clone().unwrap();
    assert!(flipped.each[0] > 0 && trained.perturbed[0].flipped_bits.each == [0]);
    let again = "eval --base net.onnx --generator run/generator.safetensors --dataset fashion-sample --images 50 --json";
    let ended = place.run(again);
    assert!(ended.stderr.contains("faults in activations, activation map fixed"), "{ended:?}");
    let again = ended.evaluation().perturbed.remove(0);
    assert_eq!(again.flipped_activation_bits, trained.perturbed[0].flipped_activation_bits);
    assert_eq!(again.accuracy_nf, trained.perturbed[0].accuracy_nf);
    // Half of the stuck cells flip a bit, within what a binomial count allows for values that are not balanced.
    let cells = flipped.per_layer.iter().map(|layer| layer.stored_bits).sum::<u64>() as f64;
    assert!((0.005..0.015).contains(&(flipped.each[0] as f64 / cells)), "{flipped:?}");
}

#[test]
fn activations_that_cannot_fail_are_refused() {
    let place = place_of("int8/fashion.onnx");
    let all = "eval --base net.onnx --dataset fashion-sample --faults-in activations";
    place.refuses(&[
        (
            "eval --base base.safetensors --faults-in activations",
            2,
            &["--faults-in", "quantises no", "ONNX"],
        ),
        (
            "eval --base base.safetensors --faults-in weight",
            2,
            &["--faults-in", "weights, biases, activations"],
        ),
        (
            "eval --base base.safetensors --faults-in biases",
            2,
            &["--faults-in", "words of 32 bits"],
        ),
        ("eval --base net.onnx --dataset fashion-sample --faults-in bias", 2, &["--faults-in"]),
        ("eval --base base.safetensors --activation-map fixed", 2, &["--activation-map"]),
        (
            "inject --base net.onnx --faults-in activations --out x.onnx",
            2,
            &["--faults-in", "no file"],
        ),
        (&format!("{all} --faults reference"), 2, &["--faults-in", "flip, stuck-at"]),
        (&format!("{all} --sensitivity"), 2, &["--sensitivity"]),
        (&format!("{all} --layers nothing"), 2, &["layers: "]),
    ]);
}
