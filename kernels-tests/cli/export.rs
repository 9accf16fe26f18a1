//! From a run's folder to a device: C source, golden arrays and an int8 file of one generator, what they say of themselves,
//! and what is refused.
use super::{Place, onnx, random_generator};
use nf_gpu::files::{npy, sha256};
use serde_json::Value;
use std::{fs, path::Path};

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The largest difference of two arrays of one shape.
fn apart(place: &Place, one: &str, other: &str) -> f64 {
    let [one, other] = [one, other].map(|name| npy::load_f32(place.path(name)).unwrap());
    assert_eq!(one.shape, other.shape);
    let each = one.data.iter().zip(&other.data).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    each.fold(0.0, f64::max)
}

#[test]
fn a_generator_goes_from_its_run_to_a_device() {
    let place = onnx::place();
    place
        .run(
            "train --base net.onnx --generator UNetS --dataset fashion-sample --faults stuck-at --ber 0.02 --chip 1 \
             --steps 3 --batch-size 8 --images 10 --out run",
        )
        .done();
    let all = "export run --base net.onnx --quantize --out int8.onnx --c c --golden golden --golden-images 3 \
               --calibration-images 20 --images 60";
    let said: Value = serde_json::from_str(&place.run(&format!("{all} --json")).done()).unwrap();
    let cost = &said["quantised"];
    assert_eq!((&cost["images"], &cost["calibration"]["images"]), (&60.into(), &20.into()));
    let moved = cost["difference"]["mean"].as_f64().unwrap();
    assert!(moved > 1e-5 && moved < 0.02, "{cost}");
    let accuracy = cost["accuracy"].as_array().unwrap();
    assert_eq!(accuracy.len(), 2, "{cost}");
    assert_eq!(accuracy[0]["faults"], Value::Null);
    let under = accuracy[1]["faults"].as_str().unwrap();
    assert!(under.contains("stuck-at, rate 0.02, chip 1"), "{under}");
    for one in accuracy {
        let [float, int8] = ["float", "int8"].map(|form| one[form].as_f64().unwrap());
        assert!((float - int8).abs() <= 5.0 && float > 40.0, "{one}");
    }

    // What is said of each array is so.
    let golden = json(&place.path("golden/golden.json"));
    let arrays = golden["arrays"].as_object().unwrap();
    assert_eq!(arrays.len(), 5, "{golden}");
    for (name, about) in arrays {
        let path = place.path(&format!("golden/{name}"));
        assert_eq!(about["sha256"], Value::String(sha256(&path).unwrap()));
        let array = npy::load_f32(&path).unwrap();
        assert_eq!(about["shape"], serde_json::json!(array.shape), "{name}");
        let most = array.data.iter().fold(f32::MIN, |most, v| most.max(*v));
        assert!((about["range"][1].as_f64().unwrap() - f64::from(most)).abs() < 1e-6, "{name}");
    }
    assert_eq!(arrays["input.npy"]["from"], "the first 3 of 1000 test images of fashion-sample");
    // The commands that run networks on a user's arrays give these outputs.
    for (line, name) in [
        ("--weights run/generator.safetensors --input golden/input.npy", "output.npy"),
        ("--weights net.onnx --precision 8 --input golden/input.npy", "logits_before.npy"),
        ("--weights net.onnx --precision 8 --input golden/output.npy", "logits_after.npy"),
    ] {
        place.run(&format!("forward {line} --output y.npy")).done();
        let off = apart(&place, "y.npy", &format!("golden/{name}"));
        let tolerance = arrays[name]["tolerance"].as_f64().unwrap();
        println!("{name}: {off:e} of {tolerance:e}");
        assert!(off <= tolerance, "{name}: {off:e} is more than {tolerance:e}");
    }
    let moved = apart(&place, "golden/output.npy", "golden/output_int8.npy");
    assert!(moved > 0.0 && moved < 0.1, "{moved}");

    // The source has the words that the program stores, and says what it needs.
    let header = fs::read_to_string(place.path("c/nf_generator.h")).unwrap();
    for line in ["CHANNELS 1", "ROWS 28", "COLUMNS 28", "FLOATS 784"] {
        assert!(header.contains(&format!("#define NF_GENERATOR_{line}\n")), "{header}");
    }
    let commit = said["commit"].as_str().unwrap();
    assert!(header.contains(commit), "{header}");
    let golden_c = fs::read_to_string(place.path("c/nf_golden.h")).unwrap();
    let first = npy::load_f32(place.path("golden/output.npy")).unwrap().data[0];
    assert!(golden_c.contains(&format!("nf_golden_output[784] = {{\n    {first:?}f,")));
    assert_eq!(
        place.files().iter().filter(|(file, _)| file.starts_with(place.path("c"))).count(),
        6
    );

    // A folder with something in it is left alone, and then nothing else is written either.
    fs::remove_file(place.path("int8.onnx")).unwrap();
    place.refuses(&[
        (all, 2, &["--c: c has files already, which are not replaced", "name a new folder"]),
        ("export run --golden golden", 2, &["--golden: golden has files already"]),
        ("export run --c golden/golden.json", 2, &["--c: golden/golden.json is no folder"]),
        ("export run --c no/c", 1, &["the folder does not exist"]),
        ("export run --c new --golden new", 2, &["--golden: new is already --c"]),
        ("export run --c new --out new", 2, &["is already --out"]),
    ]);
}

#[test]
fn without_a_data_set_the_images_are_drawn_and_int8_is_refused() {
    let place = Place::new();
    random_generator(32).save(place.path("g.safetensors")).unwrap();
    place.run("export g.safetensors --golden golden --c c --golden-images 2").done();
    let golden = json(&place.path("golden/golden.json"));
    assert_eq!(golden["arrays"]["input.npy"]["shape"], serde_json::json!([2, 3, 32, 32]));
    assert_eq!(
        golden["arrays"]["input.npy"]["from"],
        "2 synthetic images, as no data set is known"
    );
    let pixel = npy::load_f32(place.path("golden/input.npy")).unwrap().data[3072 + 33];
    // Image 1, channel 0, row 1, column 1: 37 + 5 + 3 + 1.
    assert_eq!(pixel, 2.0 * (46.0 / 255.0) - 1.0);
    let mut uip = random_generator(32);
    uip.tensors.clear();
    uip.insert("uip", &[3, 8, 8], vec![0.5; 192]);
    uip.metadata.insert("model".into(), "UIP".into());
    uip.save(place.path("uip.safetensors")).unwrap();
    place.refuses(&[
        ("export g.safetensors", 2, &["it is not said what to write", "--out", "--c or --golden"]),
        ("export g.safetensors --quantize --c new", 2, &["--quantize", "add --out g.onnx"]),
        ("export g.safetensors --quantize --out x.onnx", 2, &["no data set is known", "--dataset"]),
        ("export g.safetensors --images 3 --c new", 2, &["--images", "the cost of --quantize"]),
        ("export g.safetensors --golden new --golden-images 0", 2, &["no image at all"]),
        ("export g.safetensors --c new --golden-images 3", 2, &["--golden-images", "no --golden"]),
        ("export g.safetensors --golden new --dataset nowhere", 2, &["nowhere"]),
        ("export uip.safetensors --quantize --out x.onnx", 2, &["UIP has no weights to quantise"]),
        (
            "export g.safetensors --c new --out x.safetensors",
            2,
            &["only ONNX files are written, not x"],
        ),
    ]);
}
