//! A user's network as an ONNX file, the whole way: what is understood of it, a generator for one chip, an
//! evaluation, the generator and the protected network as ONNX files, and a faulty copy. The files that are written
//! are read back here; onnxruntime reads them in `networks::python`.
use super::{Place, evaluation};
use nf_gpu::report::eval_json::Evaluation;
use serde_json::Value;
use std::{fs, path::Path};

/// A place with `net.onnx`, a classifier of grey images of 28x28 pixels (`scripts/onnx_fashion.py`).
pub(crate) fn place() -> Place {
    place_of("fashion.onnx")
}

/// The same of one of its forms in `kernels-tests/fixtures/onnx`.
pub(super) fn place_of(form: &str) -> Place {
    let place = Place::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/fixtures/onnx");
    fs::copy(fixtures.join(form), place.path("net.onnx")).unwrap();
    place
}

/// The evaluation of 200 images of the embedded sample.
pub(super) fn evaluated(place: &Place, flags: &str) -> Evaluation {
    let flags = format!("eval {flags} --dataset fashion-sample --images 200 --json --quiet");
    evaluation(&place.run(&flags).done())
}

#[test]
fn a_network_of_ones_own_is_protected_and_taken_away() {
    let place = place();
    let said = place.run("import net.onnx").done();
    for line in [
        "images of 1x28x28\n  of values in [-1, 1]; if it was trained with others",
        "10 classes",
        "3.weight          12x1x3x3          108 words  Conv, 12 groups",
        "7896 stored words that faults can hit",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let plan = "train --base net.onnx --dataset fashion-sample --chip 1 --steps 1 --batch-size 2";
    let plan = place.run(&format!("{plan} --dry-run")).done();
    for line in ["base        net: ", "every buffer fits one binding", "not estimated"] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    for generator in ["UNetS", "ConvS"] {
        let run = format!(
            "train --base net.onnx --generator {generator} --dataset fashion-sample --faults stuck-at \
             --ber 0.02 --chip 1 --steps 3 --batch-size 8 --images 200 --out {generator}"
        );
        place.run(&run).done();
        let trained =
            evaluation(&fs::read_to_string(place.path(generator).join("eval.json")).unwrap());
        // The file's own accuracy, on a fifth of the images, is 83.4 % on all.
        assert!((78.0..90.0).contains(&trained.clean.accuracy), "{trained:?}");
        assert_eq!(trained.base.model, "net");
        let wanted = trained.clean.accuracy_nf.unwrap();
        let out = format!("{generator}.onnx");
        place.run(&format!("export {generator} --out alone-{out}")).done();
        let json =
            place.run(&format!("export {generator} --base net.onnx --out {out} --json")).done();
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["input"]["name"], "image.unprotected");
        assert_eq!((&json["output"], &json["precision"]), (&"scores".into(), &8.into()));
        // The protected network is itself a network that can be read. All its weights lie on their grids already, so
        // that quantising them again changes nothing.
        let inside = place.run(&format!("inject --base {out} --ber 0.01 --out again.safetensors"));
        assert!(inside.stderr.contains("this file holds a generator too"), "{}", inside.stderr);
        let protected = evaluated(&place, &format!("--base {out} --ber 0 --seeds 1"));
        assert_eq!(protected.clean.accuracy, wanted, "{generator}");
        // Nodes and names of the user's file are there byte for byte.
        let [own, whole] = ["net.onnx", &out].map(|file| fs::read(place.path(file)).unwrap());
        let relu6 = own.windows(4).position(|at| at == b"Clip").unwrap();
        let piece = &own[relu6 - 40..relu6 + 40];
        assert!(whole.windows(piece.len()).any(|at| at == piece));
    }
}

#[test]
fn a_faulty_copy_is_the_users_file_with_other_weights() {
    let place = place();
    place
        .run("inject --base net.onnx --faults stuck-at --ber 0.02 --seed 7 --out faulty.onnx")
        .done();
    place
        .run("inject --base net.onnx --faults stuck-at --ber 0.02 --seed 7 --out f.safetensors")
        .done();
    let [own, faulty] = ["net.onnx", "faulty.onnx"].map(|file| fs::read(place.path(file)).unwrap());
    let differ = own.iter().zip(&faulty).filter(|(a, b)| a != b).count();
    assert!(
        differ > 1000 && faulty.len() > own.len() && faulty.len() < own.len() + 200,
        "{differ}"
    );
    // What it says of its faults keeps them from being quantised again.
    let again = place.run("eval --base faulty.onnx --dataset fashion-sample");
    again.refused(1, &["have faults already: stuck-at at a rate of 0.02, seed 7"]);
    let record = |file: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(place.path(file)).unwrap()).unwrap()
    };
    let (onnx, safetensors) = (record("faulty.json"), record("f.json"));
    assert_eq!(onnx["flipped_bits"], safetensors["flipped_bits"]);
    assert_ne!(onnx["file_sha256"], safetensors["file_sha256"]);
    fs::remove_file(place.path("faulty.onnx")).unwrap();
    place.run("inject --replay faulty.json --out faulty.onnx").done();
    assert_eq!(fs::read(place.path("faulty.onnx")).unwrap(), faulty);
}

#[test]
fn what_cannot_be_exported_is_refused_in_words() {
    let place = place();
    place
        .run(
            "train --base base.safetensors --dataset fashion-sample --generator UNetS --steps 1 \
             --batch-size 2 --chip 1 --images 10 --out run",
        )
        .done();
    for (flags, code, said) in [
        ("export run --out x.safetensors", 2, "only ONNX files are written"),
        ("export run --out x.onnx --precision 4", 2, "it says something of a classifier"),
        // A generator of three channels in front of a network of one.
        (
            "export run --base net.onnx --out x.onnx",
            1,
            "images of 3 channels; those of the network have 1",
        ),
        ("export nowhere --out x.onnx", 1, "nowhere"),
        (
            "inject --base base.safetensors --ber 0.01 --out x.onnx",
            2,
            "only the faults of an ONNX file",
        ),
        ("import base.safetensors --out x.safetensors", 2, "which network it is, is not said"),
        ("eval --base base.safetensors --generator run", 1, "inside it: run/generator.safetensors"),
        ("eval --base base.safetensors --generator net.onnx", 1, "a base network may be one"),
    ] {
        place.run(flags).refused(code, &[said]);
        assert!(!place.path("x.onnx").exists(), "{flags}");
    }
    // A network of ours goes along too.
    place.run("export run --base base.safetensors --out ours.onnx").done();
    let trained = evaluation(&fs::read_to_string(place.path("run/eval.json")).unwrap());
    let flags =
        "--base ours.onnx --ber 0 --seeds 1 --dataset fashion-sample --images 10 --json --quiet";
    let again = evaluation(&place.run(&format!("eval {flags}")).done());
    assert_eq!(Some(again.clean.accuracy), trained.clean.accuracy_nf);
}
