//! Weights that are stored as floats of 16 bits (`--stored`): what faults make of them, and what refuses them.
use super::{Place, evaluation};
use nf_gpu::{
    fault::FloatFormat,
    files::{safetensors, sha256},
    report::{eval_json::Perturbed, fault_record::FaultRecord},
};
use std::{collections::BTreeMap, fs};

type Tensors = BTreeMap<String, safetensors::Raw>;

fn record(place: &Place, name: &str) -> FaultRecord {
    FaultRecord::load(&place.path(name)).unwrap()
}

#[test]
fn faulty_floats_are_the_words_with_those_bits_flipped() {
    let place = Place::new();
    for (format, bits, highest) in [
        (FloatFormat::F16, "", 15),
        (FloatFormat::F16, "--bits 0-9", 9),
        (FloatFormat::Bf16, "--bits 0-6,15", 15),
    ] {
        let inject = format!(
            "inject --base base.safetensors --stored {format} {bits} --faults flip --ber 0.02 --seed 4 \
             --verify --out a.safetensors"
        );
        let ended = place.run(&inject);
        assert!(ended.stderr.contains("the same bits on "), "{ended:?}");
        ended.done();
        let of = record(&place, "a.json");
        assert_eq!((of.precision, of.fault_format, of.per_bit.len()), (16, 2, 16));
        assert_eq!(of.faults.stored(), Some(format));
        // A faulty network is one that no command takes, and its floats may be NaN: it is read as plain tensors.
        let tensors = |name| safetensors::load(place.path(name)).unwrap().0;
        let [clean, faulty] = ["base.safetensors", "a.safetensors"].map(tensors);
        let floats = |of: &Tensors, name: &str| of[name].to_f32().unwrap();
        let (mut flipped, mut per_bit, mut cells) = (0, [0; 16], 0);
        for layer in &of.per_layer {
            let [clean, faulty] = [&clean, &faulty].map(|of| floats(of, &layer.name));
            cells += 16 * clean.len() as u64;
            for (a, b) in clean.iter().zip(&faulty) {
                // A faulty f16 may be NaN, whose bits f32 keeps in its upper part.
                let read = match format {
                    FloatFormat::F16 if !b.is_finite() => {
                        (b.to_bits() >> 16 & 0x8000 | 0x7c00 | b.to_bits() >> 13 & 0x3ff) as u16
                    }
                    FloatFormat::Bf16 => (b.to_bits() >> 16) as u16,
                    FloatFormat::F16 => format.word(*b),
                };
                let mask = format.word(*a) ^ read;
                flipped += u64::from(mask.count_ones());
                (0..16).for_each(|bit| per_bit[bit] += u64::from(mask >> bit & 1));
            }
        }
        assert_eq!((flipped, cells), (of.flipped_bits, of.stored_bits), "{format} {bits}");
        assert_eq!(&per_bit[..], of.per_bit, "{format} {bits}");
        assert!(per_bit[highest] > 0 && per_bit[highest + 1..].iter().all(|&n| n == 0));
        let all_finite = of
            .per_layer
            .iter()
            .all(|layer| floats(&faulty, &layer.name).iter().all(|weight| weight.is_finite()));
        assert_eq!(all_finite, !bits.is_empty(), "{format} {bits}");
        place.run("inject --replay a.json --out b.safetensors --quiet").done();
        let [a, b] =
            ["a", "b"].map(|name| sha256(place.path(&format!("{name}.safetensors"))).unwrap());
        assert_eq!((a, record(&place, "b.json")), (b, of));
    }
}

#[test]
fn a_generator_is_trained_and_evaluated_for_faulty_floats() {
    let place = Place::of_few_images();
    let train = |flags: &str, out: &str| {
        place.run(&format!(
            "train --base base.safetensors --generator ConvS --stored bf16 --faults flip {flags} --copies 2 \
             --batch-size 4 --steps 4 --out {out} --json --quiet"
        ))
    };
    let trained = train("--ber 0.05 --chip 3 --bits 0-6", "run").evaluation();
    assert_eq!((trained.precision, trained.perturbed[0].flipped_bits.per_bit.len()), (16, 16));
    assert_eq!(trained.perturbed[0].flipped_bits.per_bit[7..], [0; 9]);
    // The evaluation takes from the generator's file how weights are stored, and stores them so.
    let again =
        place.run("eval --base base.safetensors --generator run/generator.safetensors --json");
    assert!(again.stderr.contains("weights stored as bf16"), "{again:?}");
    let again = again.evaluation().perturbed.remove(0);
    let of = |p: &Perturbed| {
        (p.flipped_bits.clone(), p.accuracy.clone(), p.accuracy_nf.clone(), p.faults.clone())
    };
    assert_eq!(of(&again), of(&trained.perturbed[0]));
    // The exponent makes infinities, which the training tells from a rate that is too large.
    train("--ber 0.3", "broken").refused(1, &["--bits 0-6"]);
    // An image counts as wrong where the logits are NaN; the clean network still answers.
    let eval = "eval --base base.safetensors --stored bf16 --faults flip --ber 0.3 --seeds 1..4 --confusion \
                --out x.json --quiet";
    place.run(eval).done();
    let text = fs::read_to_string(place.path("x.json")).unwrap();
    let broken = evaluation(&text);
    assert!(text.contains(r#""stored": "bf16""#), "{text}");
    let confusion = &broken.perturbed[0].classes.as_ref().unwrap().confusion;
    assert_eq!(confusion.iter().flatten().sum::<u64>(), 3 * broken.dataset.images);
    let undecided: u64 = confusion.iter().filter_map(|row| row.get(10)).sum();
    assert!(undecided > broken.dataset.images, "{confusion:?}");
    assert!(broken.perturbed[0].accuracy.mean < 50.0);
    // Twice the bytes, twice the accesses.
    let accesses = |flags: &str| {
        let line = format!("eval --base base.safetensors --ber 0.01 --seeds 1 {flags} --json");
        place.run(&line).evaluation().energy.unwrap().base_accesses.unwrap()
    };
    assert_eq!(accesses("--stored f16 --bits 0-9 --voltage 0.83"), 2 * accesses(""));
}

#[test]
fn what_contradicts_stored_floats_is_refused() {
    let place = Place::new();
    let quantised =
        concat!(env!("CARGO_MANIFEST_DIR"), "/kernels-tests/fixtures/onnx/int8/fashion.onnx");
    fs::copy(quantised, place.path("net.onnx")).unwrap();
    place.refuses(&[
        ("eval --base base.safetensors --stored f32", 2, &["--stored", "f16 or bf16"]),
        (
            "eval --base base.safetensors --stored f16 --precision 8",
            2,
            &["--precision", "--stored"],
        ),
        (
            "inject --base base.safetensors --stored f16 --bits 16 --out x.safetensors",
            2,
            &["--bits"],
        ),
        (
            "eval --base base.safetensors --stored f16 --faults reference",
            2,
            &["--stored", "a byte"],
        ),
        ("inject --base net.onnx --stored f16 --out x.onnx", 2, &["--stored", "words of its own"]),
    ]);
}
