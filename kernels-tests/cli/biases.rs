//! Faults in biases that are words of 32 bits (`--faults-in biases`): only those words change, and the network reads them.
use super::{
    evaluation,
    onnx::{evaluated, place_of},
};
use nf_gpu::{
    fault::{FaultModel, Faults, Memory, Place as Stored},
    files::npy,
    report::fault_record::FaultRecord,
};
use serde_json::{Value, json};
use std::fs;

#[test]
fn the_words_of_biases_fail_in_the_file_and_in_the_network() {
    let place = place_of("int8/qoperator-channel-u8.onnx");
    let own = fs::read(place.path("net.onnx")).unwrap();
    let inject = "inject --base net.onnx --faults flip --ber 0.05 --seed 3 --faults-in biases --verify --out f.onnx";
    let said = place.run(inject).done();
    assert!(said.contains("bits of biases read differently"), "{said}");
    let record = FaultRecord::load(&place.path("f.json")).unwrap();
    let biases = record.biases.clone().unwrap();
    assert_eq!((record.fault_format, record.flipped_bits, biases.per_bit.len()), (2, 0, 32));
    let faulty = fs::read(place.path("f.onnx")).unwrap();
    let bits = |(a, b): (&u8, &u8)| u64::from((a ^ b).count_ones());
    let differ: u64 = own.iter().zip(&faulty).map(bits).sum();
    assert_eq!((differ, biases.per_bit.iter().sum::<u64>()), (biases.flipped_bits, differ));
    // The cells are those of the format: of flips, whatever is stored.
    let faults = Faults::new(FaultModel::Flip, 0.05).unwrap();
    let faults = faults.in_memories("biases".parse().unwrap()).unwrap();
    let map = faults.map(3).unwrap();
    let cells = |layer: u32, words: u32| -> u64 {
        let place = Stored { layer, address: 0 };
        let of = |word| map.faulty_in(Memory::Biases, place, word).to_1.count_ones();
        (0..words).map(|word| u64::from(of(word))).sum()
    };
    assert!(biases.per_layer.len() > 1, "{biases:?}");
    for of in &biases.per_layer {
        // A layer may lack a bias: the index is that of the layer, whose names begin alike.
        let of_layer = |name: &str| name.split('.').next() == of.name.split('.').next();
        let layer = record.per_layer.iter().position(|l| of_layer(&l.name)).unwrap() as u32;
        assert_eq!(of.flips, cells(layer, (of.stored_bits / 32) as u32), "{}", of.name);
    }
    place.run("inject --replay f.json --out again.onnx --quiet").done();
    assert_eq!(fs::read(place.path("again.onnx")).unwrap(), faulty);
}

#[test]
fn an_evaluation_reads_the_biases_that_a_faulty_file_has() {
    let place = place_of("int8/fashion.onnx");
    let faults = "--faults flip --ber 0.02 --faults-in biases --bits 0-20";
    let of = evaluated(&place, &format!("--base net.onnx {faults} --seeds 3,4"));
    let p = &of.perturbed[0];
    let flipped = p.flipped_bias_bits.clone().unwrap();
    assert_eq!(p.flipped_bits.each, [0, 0]);
    assert!(flipped.each.iter().all(|&flips| flips > 0) && flipped.per_bit.len() == 32);
    assert_eq!(flipped.per_bit[21..], [0; 11]);
    // The same words in a file, without the note that refuses it: the same answers, but for rounding.
    let inject = format!("inject --base net.onnx {faults} --seed 4 --out faulty.onnx --quiet");
    place.run(&inject).done();
    let record = FaultRecord::load(&place.path("faulty.json")).unwrap();
    assert_eq!(record.biases.unwrap().flipped_bits, flipped.each[1]);
    npy::save_f32(place.path("x.npy"), &[1, 1, 28, 28], &[0.5; 784]).unwrap();
    let forward =
        format!("forward --weights net.onnx --input x.npy --output o.npy {faults} --seed 4 --json");
    let pass: Value = serde_json::from_str(&place.run(&forward).done()).unwrap();
    assert_eq!(pass["faults"]["flipped_bias_bits"], json!([flipped.each[1]]), "{pass}");
    assert_eq!(pass["faults"].get("flipped_activation_bits"), None);
    let mut file = fs::read(place.path("faulty.onnx")).unwrap();
    let at = file.windows(8).position(|at| at == b"injected").unwrap();
    file[at..at + 8].copy_from_slice(b"ignoring");
    fs::write(place.path("clean.onnx"), file).unwrap();
    let read = evaluated(&place, "--base clean.onnx --ber 0 --seeds 1");
    let difference = (read.clean.accuracy - p.accuracy.each[1]).abs();
    assert!(difference <= 1.0, "{} {}", read.clean.accuracy, p.accuracy.each[1]);
    assert!((of.clean.accuracy - p.accuracy.each[1]).abs() > 0.0, "the faults change no answer");
    // Weights have the cells that they have alone.
    let weights = evaluated(&place, "--base net.onnx --faults flip --ber 0.02 --seeds 3");
    let both = evaluated(
        &place,
        "--base net.onnx --faults flip --ber 0.02 --seeds 3 --faults-in weights,biases",
    );
    assert_eq!(both.perturbed[0].flipped_bits, weights.perturbed[0].flipped_bits);
    // An access is counted for a bias as for four weights of a byte.
    let energy = |e: &nf_gpu::report::eval_json::Evaluation| e.perturbed[0].energy.clone();
    assert_eq!(energy(&of), None);
}

#[test]
fn a_generator_is_trained_for_faulty_biases_and_others_are_refused() {
    let place = place_of("int8/fashion.onnx");
    let train = "train --base net.onnx --generator UNetS --dataset fashion-sample --faults stuck-at --ber 0.02 \
                 --chip 1 --faults-in biases,weights --steps 2 --batch-size 8 --images 50 --out run --quiet";
    place.run(train).done();
    let trained = evaluation(&fs::read_to_string(place.path("run/eval.json")).unwrap());
    let p = &trained.perturbed[0];
    assert!(p.flipped_bias_bits.clone().unwrap().each[0] > 0 && p.flipped_bits.each[0] > 0);
    place.refuses(&[
        (
            "inject --base base.safetensors --faults-in biases --out x.safetensors",
            2,
            &["--faults-in"],
        ),
        (
            "inject --base net.onnx --faults-in biases --faults reference --out x.onnx",
            2,
            &["--faults-in", "flip, stuck-at"],
        ),
        ("inject --base net.onnx --faults-in biases --bits 32 --out x.onnx", 2, &["--bits"]),
        ("inject --base net.onnx --bits 8 --out x.onnx", 2, &["--bits"]),
    ]);
    // Positions that only biases have are theirs alone.
    place
        .run("inject --base net.onnx --faults-in weights,biases --bits 8-31 --out high.onnx")
        .done();
    let record = FaultRecord::load(&place.path("high.json")).unwrap();
    assert_eq!((record.flipped_bits, record.faulty_cells), (0, 0));
    assert!(record.biases.unwrap().flipped_bits > 0);
}

/// What onnxruntime 1.32.0 computes, its optimisations off, of the file that `inject` writes with the faults of seeds 1 and 2.
const OF_ONNXRUNTIME: [[f32; 10]; 2] = [
    [
        2.208_150_4,
        -3.846_455_6,
        1.377_126_1,
        2.208_150_4,
        -3.680_250_6,
        2.208_150_4,
        -3.846_455_6,
        -0.403_640_4,
        2.208_150_4,
        -2.991_687_8,
    ],
    [
        -1.519_587_4,
        2.208_150_4,
        1.305_895_4,
        2.208_150_4,
        2.208_150_4,
        -1.234_664_8,
        2.208_150_4,
        1.092_203_5,
        2.208_150_4,
        2.208_150_4,
    ],
];

#[test]
fn integers_wrap_where_the_sign_bit_of_a_bias_flips() {
    let place = place_of("int8/qoperator-channel-u8.onnx");
    let images: Vec<f32> = (0..384).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect();
    npy::save_f32(place.path("x.npy"), &[2, 3, 8, 8], &images).unwrap();
    for (seed, wanted) in (1..).zip(OF_ONNXRUNTIME) {
        // Floats that are added up are up to 6.1 from it.
        let faults = format!("--faults flip --faults-in biases --bits 31 --ber 0.3 --seed {seed}");
        place
            .run(&format!("forward --weights net.onnx --input x.npy --output y.npy {faults}"))
            .done();
        let scores = npy::load_f32(place.path("y.npy")).unwrap().data;
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
        assert!(scores.len() == 10 && scores.iter().zip(&wanted).all(near), "{seed}: {scores:?}");
    }
}
