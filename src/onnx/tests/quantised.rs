//! Quantised networks (`scripts/onnx_quantised_fixtures.py`), each with images and what onnxruntime computes of them with
//! its optimisations off.

use super::{super::*, evaluate::evaluate};
use crate::{
    fault::{FaultModel, Faults},
    kernels::elementwise::pointwise::Pointwise,
    nn::faulty_weights,
    onnx::{
        export::patched,
        model::OnnxModel,
        value::{HostTensor, decode},
    },
};
use std::{fs, path::PathBuf};

/// The eight forms of one network that `quantize_static` makes.
const FORMS: [&str; 8] = [
    "qdq-tensor-s8",
    "qdq-tensor-u8",
    "qdq-channel-s8",
    "qdq-channel-u8",
    "qoperator-tensor-s8",
    "qoperator-tensor-u8",
    "qoperator-channel-s8",
    "qoperator-channel-u8",
];
/// Networks written by hand.
const OTHERS: [&str; 3] = ["four-bits", "exporter", "transposed-channels"];

fn path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/fixtures/onnx/int8");
    folder.join(format!("{name}.onnx"))
}

fn read(name: &str) -> Imported {
    load(&path(name), &ReadOptions::default())
        .unwrap_or_else(|error| panic!("{error}\n{:?}", error.hint()))
}

/// A stored tensor as integers or floats.
fn stored(model: &OnnxModel, name: &str) -> HostTensor {
    let tensor = model.graph.initialisers.iter().find(|t| t.name == name).unwrap();
    decode(model, tensor, Path::new("")).unwrap()
}

/// The step of the scores, if they are quantised.
fn last_step(graph: &Graph) -> Option<f64> {
    match graph.nodes[graph.output()].op {
        Op::Pointwise(Pointwise::FakeQuantise { step, .. }) => Some(step.into()),
        _ => None,
    }
}

#[test]
fn scores_are_those_of_onnxruntime_to_a_step() {
    for name in FORMS.into_iter().chain(OTHERS) {
        let (imported, model) = (read(name), OnnxModel::read(&path(name)).unwrap());
        let (x, y) = (stored(&model, "#xs"), stored(&model, "#ys"));
        let (x, y) = (x.floats().into_owned(), y.floats().into_owned());
        let classes = imported.graph.nodes[imported.graph.output()].chw[0] as usize;
        let pixels = x.len() / (y.len() / classes);
        let (mut all, mut other) = (0, 0);
        let step = last_step(&imported.graph);
        assert_eq!(step.is_some(), FORMS.contains(&name), "{name}");
        for (image, want) in x.chunks(pixels).zip(y.chunks(classes)) {
            let got = evaluate(&imported.graph, &imported.weights, image);
            for (got, want) in got.iter().zip(want) {
                let distance = (got - f64::from(*want)).abs();
                let near = 1e-4 * (1.0 + got.abs());
                assert!(distance <= step.unwrap_or(0.0) + near, "{name}: {got}, not {want}");
                (all, other) = (all + 1, other + usize::from(distance > near));
            }
        }
        // A value half-way between two steps could go either way: the fixtures have none.
        assert_eq!(other, 0, "{name}: {other} of {all} scores differ by a step");
    }
}

#[test]
fn the_words_are_the_files_own() {
    for name in FORMS.into_iter().chain(OTHERS) {
        let (imported, model) = (read(name), OnnxModel::read(&path(name)).unwrap());
        assert_eq!(imported.weights.words.len(), imported.layers.len(), "{name}");
        for layer in &imported.layers {
            assert!(layer.as_it_is, "{name}: {}", layer.stored);
            let words = &imported.weights.words[&layer.stored];
            let parameters = &words.parameters;
            // Floats on a grid are another test's.
            let there = stored(&model, &layer.stored);
            let Some(there) = there.as_ints() else { continue };
            let ours: Vec<i64> =
                words.bytes.iter().map(|&b| parameters.word(b.into(), words.bits).into()).collect();
            assert_eq!(ours, there, "{name}: {}", layer.stored);
            let kind = imported.anatomy.tensors[&layer.stored].element_type;
            assert_eq!(parameters.signed, matches!(kind, 3 | 22), "{name}: {}", layer.stored);
            if name.contains("channel") {
                assert!(parameters.scales.len() > 1, "{name}: {}", layer.stored);
            }
        }
    }
    let four = read("four-bits");
    let [w, head] = ["w", "head"].map(|name| &four.weights.words[name]);
    assert_eq!((w.bits, w.parameters.signed, w.parameters.scales.len()), (4, true, 6));
    assert_eq!((head.bits, head.parameters.zero_points.as_slice()), (4, &[7][..]));
    let lines = ImportReport::of(&four).lines();
    assert!(lines[3].ends_with("Conv, int4, 6 scales, zero points"), "{lines:?}");
}

#[test]
fn words_without_faults_stay_in_the_file_as_they_are() {
    for name in FORMS.into_iter().chain(OTHERS) {
        let (imported, path) = (read(name), path(name));
        let bytes = fs::read(&path).unwrap();
        let clean = imported.weights.tensors.iter().map(|(name, t)| (name.clone(), t.data.clone()));
        let values = imported.stored(&path, &clean.collect()).unwrap();
        let made = patched(&bytes, &path, &imported, &values, ("faults", "none")).unwrap();
        let in_place =
            |layer: &ImportedLayer| imported.anatomy.tensors[&layer.stored].raw.is_some();
        // The exporter's form has floats, which the file's own nodes quantise: these too.
        assert!(made.starts_with(&bytes) || !imported.layers.iter().all(in_place), "{name}");
    }
}

#[test]
fn faults_change_the_words_of_the_record_and_nothing_else_of_the_file() {
    for name in FORMS.into_iter().chain(OTHERS) {
        let (imported, path) = (read(name), path(name));
        let bytes = fs::read(&path).unwrap();
        let network = (&imported.graph, &imported.weights);
        let faults = Faults::new(FaultModel::StuckAt, 0.03).unwrap();
        let faulty = faulty_weights(network, 8, &faults, 5).unwrap();
        let values = faulty.weights.tensors.iter().map(|(name, t)| (name.clone(), t.data.clone()));
        let values = imported.stored(&path, &values.collect()).unwrap();
        let made = patched(&bytes, &path, &imported, &values, ("faults", "of a test")).unwrap();
        let again = parse(made.clone(), &path, &ReadOptions::default()).unwrap();
        // Read again, the file has the words that the record counts, and each the faults of its map.
        let layers = imported.layers.iter().zip(&faulty.flips).enumerate();
        let (mut flipped, map) = (0, faults.map(5).unwrap());
        for (i, (layer, flips)) in layers {
            let [before, after] =
                [&imported, &again].map(|of| &of.weights.words[&layer.stored].bytes);
            let bits = |(a, b): (&u8, &u8)| u64::from((a ^ b).count_ones());
            let count: u64 = before.iter().zip(after).map(bits).sum();
            assert_eq!(count, flips.total, "{name}: {}", layer.stored);
            flipped += count;
            let place = imported.graph.places()[i];
            for (word, four) in before.chunks(4).enumerate() {
                let stored = four.iter().rev().fold(0, |w, &byte| w << 8 | u32::from(byte));
                let read = after[4 * word..].iter().take(four.len());
                let read = read.rev().fold(0, |w, &byte| w << 8 | u32::from(byte));
                let field = (1u32 << imported.weights.words[&layer.stored].bits) - 1;
                let cells = (0x0101_0101 * field) & (u32::MAX >> (32 - 8 * four.len()));
                let mask = map.xor_mask(place, word as u32, stored) & cells;
                assert_eq!(stored ^ read, mask, "{name}: {} word {word}", layer.stored);
            }
        }
        assert!(flipped > 5, "{name}: {flipped} flips");
        assert_eq!(again.weights.tensors, faulty.weights.tensors, "{name}");
        // The graph's bytes are as long as before; those that differ lie in the weights.
        let places: Vec<_> =
            imported.layers.iter().map(|l| &imported.anatomy.tensors[&l.stored]).collect();
        if places.iter().all(|place| place.raw.is_some()) {
            let inside = |at: usize| {
                places.iter().any(|place| place.raw.as_ref().is_some_and(|raw| raw.contains(&at)))
            };
            let differ = (0..bytes.len()).filter(|&at| bytes[at] != made[at]);
            assert!(differ.into_iter().all(inside), "{name}");
        }
    }
}

#[test]
fn what_is_not_understood_is_refused_with_advice() {
    use super::write::{Attr, Draft};
    let half = 0.5f32.to_le_bytes();
    let two = [half, half].concat();
    let draft =
        || Draft::new(21, &[1, 2, 4, 4]).tensor("s", 1, &[1], &half).tensor("s2", 1, &[2], &two);
    let refused = |draft: Draft, what: &str| {
        let error = draft.head("o", 32).read().unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{error}");
    };
    let axis = [("axis", Attr::Int(1))];
    refused(draft().node_with("QuantizeLinear", &["x", "s2"], "o", &axis), "per channel");
    refused(draft().node("DequantizeLinear", &["x", "s"], "o"), "nothing before it quantises");
    let kind = [("output_dtype", Attr::Int(17))];
    refused(draft().node_with("QuantizeLinear", &["x", "s"], "o", &kind), "float8e4m3fn");
    refused(draft().node("QLinearSoftmax", &["x", "s"], "o"), "not computed");
    let unlike = draft()
        .tensor("w", 3, &[1, 2, 1, 1], &[1, 2])
        .tensor("z", 2, &[1], &[0])
        .node("DequantizeLinear", &["w", "s", "z"], "d")
        .node("Mul", &["x", "d"], "o");
    refused(unlike, "words of int8 with a zero point of uint8");
    let words = || draft().node("QuantizeLinear", &["x", "s"], "q");
    let signed = words().tensor("z", 3, &[1], &[0]).node("DequantizeLinear", &["q", "s", "z"], "o");
    refused(signed, "words of uint8 with a zero point of int8");
    let to_float = [("to", Attr::Int(1))];
    refused(words().node_with("Cast", &["q"], "o", &to_float), "takes the words");
}

/// A step of 1/2 from the word 100 on: the word 90 around the image is -5.
#[test]
fn the_constant_around_words_is_a_word() {
    use super::write::Draft;
    let read = Draft::new(21, &[1, 2, 4, 4])
        .tensor("s", 1, &[1], &0.5f32.to_le_bytes())
        .tensor("z", 2, &[1], &[100])
        .tensor("around", 2, &[1], &[90])
        .ints("pads", &[0, 0, 1, 1, 0, 0, 0, 0])
        .node("QuantizeLinear", &["x", "s", "z"], "q")
        .node("Pad", &["q", "pads", "around"], "p")
        .node("DequantizeLinear", &["p", "s", "z"], "o")
        .head("o", 50)
        .read()
        .unwrap();
    let fill = read.graph.nodes.iter().find_map(|node| match node.op {
        Op::Rearrange { fill, .. } => Some(fill),
        _ => None,
    });
    assert_eq!(fill, Some(-5.0));
}
