//! Files of stored words: `import --packed` writes them, every command reads them, and no result
//! changes.
use super::json;
use crate::cli::{Place, random_base, random_generator};
use nf_gpu::{
    fault::{dequantize, quantize},
    files::{
        Weights, npy,
        safetensors::{self, Dtype},
    },
};
use std::fs;

const IMPORT: &str = "import base.safetensors --model vgg-small";

fn bytes(place: &Place, name: &str) -> Vec<u8> {
    fs::read(place.path(name)).unwrap()
}

/// Imports the same network as floats and as 8-bit words, `floats.safetensors` and
/// `packed.safetensors`.
fn pair(place: &Place) -> serde_json::Value {
    place.run(&format!("{IMPORT} --precision 8 --out floats.safetensors")).done();
    let ended =
        place.run(&format!("{IMPORT} --precision 8 --packed --out packed.safetensors --json"));
    let says = "the weights of all 5 layers are stored as 8-bit words; quantised, those of 5 change, by at most 0.5";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    json(&ended.done())
}

#[test]
fn a_packed_file_computes_what_its_floats_do() {
    let place = Place::of_few_images();
    let report = pair(&place);
    assert_eq!((&report["packed"]["bits"], &report["packed"]["layers"]), (&8.into(), &5.into()));
    let change = report["packed"]["largest_change"]["steps"].as_f64().unwrap();
    assert!((0.4..=0.5001).contains(&change), "{report}");
    let (floats, packed) =
        (bytes(&place, "floats.safetensors"), bytes(&place, "packed.safetensors"));
    assert!(packed.len() * 10 < floats.len() * 3, "{} of {} bytes", packed.len(), floats.len());
    let (tensors, _) = safetensors::load(place.path("packed.safetensors")).unwrap();
    let words = tensors.iter().filter(|(_, tensor)| tensor.dtype == Dtype::I8);
    assert_eq!(words.count(), 5);
    assert_eq!(tensors["classifier.weight"].shape, [10, 128]);
    assert_eq!(tensors["classifier.weight.scale"].shape, [0; 0]);

    // Compares accuracies and flips, then faulty copies byte for byte, then outputs and gradients.
    let [of_floats, of_words] = ["floats", "packed"].map(|file| {
        let line = format!("eval --base {file}.safetensors --seeds 1..3 --ber 0.01 --json");
        let mut evaluation = json(&place.run(&line).done());
        for key in ["base", "given", "command"] {
            evaluation.as_object_mut().unwrap().remove(key);
        }
        evaluation
    });
    assert_eq!(of_floats["clean"], of_words["clean"]);
    assert_eq!(of_floats["perturbed"], of_words["perturbed"]);
    assert!(
        of_words["perturbed"][0]["flipped_bits"]["each"][0].as_u64().unwrap() > 0,
        "{of_words}"
    );
    npy::save_f32(place.path("x.npy"), &[1, 3, 32, 32], &[0.25; 3072]).unwrap();
    npy::save_i32(place.path("y.npy"), &[1], &[3]).unwrap();
    for file in ["floats", "packed"] {
        place.run(&format!("inject --base {file}.safetensors --seed 7 --out {file}-7")).done();
        let line = format!("forward --weights {file}.safetensors --input x.npy --labels y.npy");
        place.run(&format!("{line} --output {file}.npy --grads {file}.grads")).done();
    }
    for (a, b) in
        [("floats-7", "packed-7"), ("floats.npy", "packed.npy"), ("floats.grads", "packed.grads")]
    {
        assert!(bytes(&place, a) == bytes(&place, b), "{a} and {b} differ");
    }

    // Packing again gives the same words; `import` without the flag gives a file of floats again.
    let again = "import packed.safetensors --model vgg-small --out";
    let ended = place.run(&format!("{again} again.safetensors --packed"));
    assert!(ended.stderr.contains("8-bit words, unchanged"), "{}", ended.stderr);
    ended.done();
    let (repacked, _) = safetensors::load(place.path("again.safetensors")).unwrap();
    assert!(repacked == tensors);
    place.run(&format!("{again} unpacked.safetensors")).done();
    let (unpacked, metadata) = safetensors::load(place.path("unpacked.safetensors")).unwrap();
    assert!(unpacked.values().all(|tensor| tensor.dtype == Dtype::F32));
    assert!(!metadata.contains_key("packed"), "{metadata:?}");
}

#[test]
fn words_of_fewer_bits_are_those_of_quantisation() {
    let place = Place::new();
    let ours = random_base("vgg-small", 1);
    for bits in [2, 5, 7] {
        place.run(&format!("{IMPORT} --precision {bits} --packed --out p.safetensors")).done();
        let read = Weights::load(place.path("p.safetensors")).unwrap();
        assert_eq!(read.meta("precision"), Some(&*bits.to_string()));
        for (name, tensor) in &ours.tensors {
            let want = if tensor.shape.len() > 1 {
                dequantize(&quantize(&tensor.data, bits).unwrap())
            } else {
                tensor.data.clone()
            };
            assert!(read.tensors[name].data == want, "{bits} bits: {name}");
        }
    }
    // Weights that already lie on a grid reveal their bits.
    let mut grid = Weights::load(place.path("p.safetensors")).unwrap();
    grid.metadata.clear();
    grid.save(place.path("grid.safetensors")).unwrap();
    let ended = place.run("import grid.safetensors --model vgg-small --packed --out q.safetensors");
    assert!(ended.stderr.contains("stored as 7-bit words, unchanged"), "{}", ended.stderr);
    ended.done();
}

#[test]
fn a_packed_generator_computes_what_its_floats_do() {
    let place = Place::new();
    random_generator(32).save(place.path("g.safetensors")).unwrap();
    let import = "import g.safetensors --model ConvS --packed --out p.safetensors";
    let ended = place.run(import);
    assert!(ended.stderr.contains("of all 7 layers are stored as 8-bit words"), "{}", ended.stderr);
    ended.done();
    npy::save_f32(place.path("x.npy"), &[1, 3, 32, 32], &[0.25; 3072]).unwrap();
    for file in ["g", "p"] {
        let line = format!("forward --model ConvS --weights {file}.safetensors --input x.npy");
        place.run(&format!("{line} --output {file}.npy")).done();
    }
    assert!(bytes(&place, "g.npy") == bytes(&place, "p.npy"));
}

#[test]
fn what_cannot_be_packed_is_refused_and_nothing_written() {
    let place = Place::new();
    random_generator(32).save(place.path("g.safetensors")).unwrap();
    let mut image = Weights::default();
    image.insert("uip", &[3, 32, 32], vec![0.5; 3072]);
    image.save(place.path("uip.safetensors")).unwrap();
    let before = place.files();
    for (line, code, says) in [
        (IMPORT, 2, ["--packed: ", "the grid of any bits", "--precision 8 quantises them"]),
        (
            "import g.safetensors --model ConvS --precision 4",
            2,
            ["--precision", "8 bits", "--packed"],
        ),
        ("import uip.safetensors --model UIP", 1, ["no layer of UIP", "stored words", "--packed"]),
    ] {
        place.run(&format!("{line} --packed --out p.safetensors")).refused(code, &says);
        assert_eq!(place.files(), before, "{line}");
    }
}

#[test]
fn damaged_words_are_refused_at_every_door() {
    let place = Place::new();
    pair(&place);
    let (mut tensors, metadata) = safetensors::load(place.path("packed.safetensors")).unwrap();
    tensors.get_mut("features.1.conv.weight").unwrap().bytes[5] = 0x80;
    safetensors::save(place.path("packed.safetensors"), &tensors, &metadata).unwrap();
    let eval = "eval --images 2 --seeds 1 --base";
    for line in [
        "import packed.safetensors --model vgg-small --out o.safetensors",
        &format!("{eval} packed.safetensors"),
        &format!("{eval} floats.safetensors --generator packed.safetensors"),
        "inject --base packed.safetensors --out o.safetensors",
        "train --base packed.safetensors --steps 1 --out run",
        "forward --weights packed.safetensors --input x.npy --output o.npy",
        "transform --generator packed.safetensors x.png --out-dir out",
    ] {
        let says =
            ["packed.safetensors: the stored words of features.1.conv.weight: word 5 is -128"];
        place.run(line).refused(1, &says);
    }
}
