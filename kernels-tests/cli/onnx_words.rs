//! A quantised ONNX classifier, the whole way: faults hit the words that the file stores, and they alone change.
use super::{
    evaluation,
    onnx::{evaluated, place_of},
};
use serde_json::Value;
use std::fs;

#[test]
fn a_generator_protects_the_words_of_a_quantised_network() {
    // onnxruntime's int8 form of the classifier of `cli::onnx`.
    let place = place_of("int8/fashion.onnx");
    let said = place.run("import net.onnx").done();
    assert!(said.contains("Conv, 12 groups, int8, 12 scales"), "{said}");
    assert!(said.contains("7896 stored words that faults can hit"), "{said}");
    let json: Value = serde_json::from_str(&place.run("import net.onnx --json").done()).unwrap();
    let first = &json["layers"][0]["stored_as"];
    assert_eq!((&first["bits"], &first["signed"]), (&8.into(), &true.into()), "{json}");
    // Its words are what they are.
    let other = "eval --base net.onnx --dataset fashion-sample --precision 4";
    place.run(other).refused(2, &["--precision", "words of 8 bits", "leave it out"]);

    let chip = "--faults stuck-at --ber 0.02 --chip 1";
    let train = format!(
        "train --base net.onnx --generator UNetS --dataset fashion-sample {chip} --steps 3 \
         --batch-size 8 --images 200 --out run"
    );
    place.run(&train).done();
    let trained = evaluation(&fs::read_to_string(place.path("run/eval.json")).unwrap());
    // The float network has 83.4 % on all images.
    assert!((78.0..90.0).contains(&trained.clean.accuracy), "{trained:?}");
    let wanted = trained.clean.accuracy_nf.unwrap();
    place.run("export run --base net.onnx --out protected.onnx").done();
    // The generator's own weights are floats on a grid; the network's are its words.
    let protected = evaluated(&place, "--base protected.onnx --ber 0 --seeds 1");
    assert_eq!(protected.clean.accuracy, wanted);
    let [own, whole] = ["net.onnx", "protected.onnx"].map(|f| fs::read(place.path(f)).unwrap());
    let node = own.windows(15).position(|at| at == b"QuantizeLinear:").unwrap_or(own.len() / 2);
    let piece = &own[node - 60..node + 60];
    assert!(whole.windows(piece.len()).any(|at| at == piece), "a node has changed");

    // The adapter reads the words of the chip as the host does, bit for bit, and the file has them.
    let inject = format!("inject --base net.onnx {chip} --out faulty.onnx --verify --quiet");
    place.run(&inject).done();
    let record: Value =
        serde_json::from_str(&fs::read_to_string(place.path("faulty.json")).unwrap()).unwrap();
    let faulty = fs::read(place.path("faulty.onnx")).unwrap();
    let bits = |(a, b): (&u8, &u8)| u64::from((a ^ b).count_ones());
    let differ: u64 = own.iter().zip(&faulty).map(bits).sum();
    assert_eq!(record["flipped_bits"].as_u64(), Some(differ));
    assert_eq!(trained.perturbed[0].flipped_bits.each, [differ]);
    assert_eq!(record["stored_bits"], 8 * 7896);
    fs::remove_file(place.path("faulty.onnx")).unwrap();
    place.run("inject --replay faulty.json --out faulty.onnx").done();
    assert_eq!(fs::read(place.path("faulty.onnx")).unwrap(), faulty);
}
