//! Input that `nf-gpu forward` refuses: one error, one hint, the right exit code, no file touched.
use crate::cli::Place;
use nf_gpu::{files::npy, models, nn::initialise};
use std::fs;

/// A place with a base, a generator and tensors that fit them.
fn place() -> Place {
    let place = Place::new();
    let graph = models::generator("ConvS", [3, 32, 32]).unwrap();
    initialise(&graph, false, 2).save(place.path("g.safetensors")).unwrap();
    let f32 = |name: &str, shape: &[usize]| {
        let data = vec![0.25; shape.iter().product()];
        npy::save_f32(place.path(name), shape, &data).unwrap();
    };
    f32("x.npy", &[2, 3, 32, 32]);
    f32("nhwc.npy", &[2, 32, 32, 3]);
    f32("one.npy", &[3, 32, 32]);
    f32("none.npy", &[0, 3, 32, 32]);
    f32("big.npy", &[1, 3, 64, 64]);
    f32("odd.npy", &[1, 3, 30, 30]);
    f32("wide.npy", &[1, 3, 32, 64]);
    f32("grey.npy", &[2, 1, 32, 32]);
    f32("u.npy", &[2, 10]);
    for (name, bad) in [("nan.npy", f32::NAN), ("inf.npy", f32::INFINITY)] {
        let mut data = vec![0.0; 3 * 32 * 32];
        data[17] = bad;
        npy::save_f32(place.path(name), &[1, 3, 32, 32], &data).unwrap();
    }
    let labels = |name: &str, labels: &[i32]| {
        npy::save_i32(place.path(name), &[labels.len()], labels).unwrap();
    };
    labels("labels.npy", &[3, 9]);
    labels("three.npy", &[3, 9, 1]);
    labels("ten.npy", &[3, 10]);
    labels("minus.npy", &[-1, 9]);
    let header = |order: &str, dtype: &str| {
        let text =
            format!("{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': (1, 3, 32, 32), }}");
        let mut file = b"\x93NUMPY\x01\0v\0".to_vec();
        file.extend(format!("{text:<117}\n").bytes());
        file.resize(file.len() + 3 * 32 * 32 * if dtype == "<f8" { 8 } else { 4 }, 0);
        file
    };
    fs::write(place.path("fortran.npy"), header("True", "<f4")).unwrap();
    fs::write(place.path("f64.npy"), header("False", "<f8")).unwrap();
    fs::write(place.path("u8.npy"), header("False", "|u1")).unwrap();
    place
}

const BASE: &str = "forward --model vgg-small --weights base.safetensors";
const GENERATOR: &str =
    "forward --model ConvS --weights g.safetensors --input x.npy --output y.npy";
const EOPM: &str = "forward --eopm --model vgg-small --weights base.safetensors --input x.npy \
                    --generator ConvS --generator-weights g.safetensors --labels labels.npy";

/// Asserts that `start` with each ending is refused with the code and the words, and that no file
/// changes.
pub(super) fn refuses(place: &Place, start: &str, cases: &[(&str, i32, &[&str])]) {
    let before = place.files();
    for (end, code, says) in cases {
        println!("nf-gpu {start} {end}");
        place.run(&format!("{start} {end}")).refused(*code, says);
        assert_eq!(place.files(), before, "{start} {end}");
    }
}

#[test]
fn tensors_that_do_not_fit() {
    let place = place();
    refuses(
        &place,
        &format!("{BASE} --output y.npy --input"),
        &[
            ("no.npy", 1, &["no.npy", "check the path"]),
            ("base.safetensors", 1, &["base.safetensors: it is not a .npy file but safetensors"]),
            (
                "nhwc.npy",
                1,
                &["[2, 32, 32, 3], expected [N, 3, 32, 32]", "x.transpose(0, 3, 1, 2)"],
            ),
            ("one.npy", 1, &["one.npy: its shape is [3, 32, 32], expected [N, 3", "x[None]"]),
            ("none.npy", 1, &["none.npy: it holds no images"]),
            ("big.npy", 1, &["its images are 64x64; the network takes 32x32"]),
            ("wide.npy", 1, &["its images are 32x64; the network takes 32x32", "resize them"]),
            ("grey.npy", 1, &["[2, 1, 32, 32], expected [N, 3, 32, 32]"]),
            ("nan.npy", 1, &["nan.npy: element 17 is NaN", "isfinite"]),
            ("inf.npy", 1, &["inf.npy: element 17 is inf"]),
            (
                "f64.npy",
                1,
                &["f64.npy: its elements are '<f8' (float64), expected '<f4'", "np.float32"],
            ),
            ("u8.npy", 1, &["'|u1' (uint8), expected '<f4'", "(x / 127.5 - 1).astype(np.float32)"]),
            ("fortran.npy", 1, &["fortran.npy: it is in Fortran order", "ascontiguousarray"]),
            ("labels.npy", 1, &["'<i4' (int32), expected '<f4'"]),
            (
                "x.npy --labels x.npy",
                1,
                &["x.npy: its elements are '<f4' (float32), expected '<i4'"],
            ),
            ("x.npy --labels three.npy", 1, &["three.npy: its shape is [3], expected [2]"]),
            ("x.npy --labels ten.npy", 1, &["label 10 of image 1 is no class", "10 classes"]),
            ("x.npy --labels minus.npy", 1, &["label -1 of image 0 is no class"]),
            (
                "x.npy --upstream x.npy",
                1,
                &["x.npy: its shape is [2, 3, 32, 32], expected [2, 10]"],
            ),
        ],
    );
    refuses(
        &place,
        "forward --weights g.safetensors --model ConvS --output y.npy --input",
        &[
            ("grey.npy", 1, &["[2, 1, 32, 32], expected [N, 3, H, W]"]),
            ("nhwc.npy", 1, &["expected [N, 3, H, W]", "x.transpose(0, 3, 1, 2)"]),
            ("nan.npy", 1, &["nan.npy: element 17 is NaN"]),
            (
                "x.npy --upstream u.npy",
                1,
                &["u.npy: its shape is [2, 10], expected [2, 3, 32, 32]"],
            ),
        ],
    );
}

#[test]
fn a_generator_takes_images_of_any_rows_and_columns() {
    let place = place();
    for (input, shape) in [("odd.npy", [1, 3, 30, 30]), ("wide.npy", [1, 3, 32, 64])] {
        let line = "forward --model ConvS --weights g.safetensors --output y.npy --input";
        place.run(&format!("{line} {input}")).done();
        assert_eq!(npy::load_f32(place.path("y.npy")).unwrap().shape, shape);
    }
}

#[test]
fn flags_that_do_not_go_together() {
    let place = place();
    let base = format!("{BASE} --input x.npy --output y.npy");
    refuses(
        &place,
        &base,
        &[
            ("--grads g", 2, &["--grads: there is no loss", "--labels", "--upstream"]),
            ("--labels labels.npy --upstream u.npy", 2, &["two losses"]),
            ("--after a", 2, &["--after: ", "add --mode train"]),
            ("--mode train", 2, &["--mode: a base network is frozen", "generator"]),
            ("--mode train --after a", 2, &["--mode: a base network is frozen"]),
            ("--seed 3", 2, &["--seed: without --ber", "--ber 0.01"]),
            ("--seed 3", 2, &["--seed: without --ber"]),
            ("--ber 1", 2, &["--ber", "0.01 is one per cent"]),
            ("--ber 0.01 --faults flap", 2, &["unknown fault model", "did you mean flip?"]),
            ("--ber 0.01 --seed 9223372036854775808", 2, &["--seed", "larger seeds"]),
            ("--precision 9", 2, &["--precision", "2 to 8"]),
            ("--micro-batch 0", 2, &["--micro-batch: 0 images", "leave it out"]),
            ("--input-mean 1,1,1", 2, &["give both"]),
            ("--seeds 1,2", 2, &["--seeds: it belongs to --eopm"]),
            ("--lambda 1", 2, &["--lambda: it belongs to --eopm"]),
            ("--generator ConvS", 2, &["--generator: it belongs to --eopm"]),
            ("--generator-weights g.safetensors", 2, &["--generator-weights: it belongs"]),
        ],
    );
    refuses(&place, &format!("{BASE} --input x.npy"), &[("", 2, &["--output: nowhere"])]);
    refuses(
        &place,
        GENERATOR,
        &[
            (
                "--labels labels.npy",
                2,
                &["--labels: a generator's output are images", "--upstream"],
            ),
            ("--grads g", 2, &["--grads: there is no loss"]),
            ("--after a", 2, &["--after: ", "add --mode train"]),
            ("--mode eval --after a", 2, &["--after: ", "add --mode train"]),
            ("--ber 0.01", 2, &["--ber: a generator is free of faults"]),
            ("--precision 4", 2, &["--precision: a generator's weights are stored in 8 bits"]),
            ("--input-mean 1,1,1 --input-std 1,1,1", 2, &["--input-mean: a generator takes"]),
        ],
    );
    place.run(&format!("{GENERATOR} --mode test")).no_usage("test");
    place.run("forward --model ConvS").no_usage("--weights <FILE>");
}

#[test]
fn a_step_without_its_parts() {
    let place = place();
    let whole = format!("{EOPM} --ber 0.01 --seeds 1,2");
    refuses(
        &place,
        &whole,
        &[
            ("--output y.npy", 2, &["--output: it does not go with --eopm"]),
            ("--upstream u.npy", 2, &["--upstream: it does not go with --eopm"]),
            ("--mode train", 2, &["--mode: it does not go with --eopm"]),
            ("--after a", 2, &["--after: it does not go with --eopm"]),
            ("--seed 3", 2, &["--seed: ", "--seeds 11,12"]),
            ("--lambda -1", 2, &["--lambda: -1"]),
            ("--lambda nan", 2, &["--lambda: NaN"]),
        ],
    );
    refuses(
        &place,
        EOPM,
        &[
            ("--seeds 1", 2, &["--ber: --eopm needs it", "--ber 0.01"]),
            ("--ber 0.01", 2, &["--seeds: --eopm needs it", "--seeds 11,12"]),
            ("--ber 0.01 --seeds 5..5", 2, &["--seeds: \"5..5\""]),
        ],
    );
    for (flag, value) in [("--labels", "labels.npy"), ("--generator-weights", "g.safetensors")] {
        let line = whole.replace(&format!("{flag} {value}"), "");
        let says = format!("{flag}: --eopm needs it");
        refuses(&place, &line, &[("", 2, &[&says, value.rsplit('.').next().unwrap()])]);
    }
    refuses(
        &place,
        &whole.replace("--generator ConvS", ""),
        &[("", 1, &["g.safetensors: the file does not say", "--generator: "])],
    );
    refuses(
        &place,
        &whole.replace("labels.npy", "ten.npy"),
        &[("", 1, &["ten.npy: label 10 of image 1"])],
    );
}

#[test]
fn names_and_weights_that_nothing_has() {
    let place = place();
    let rest = "--input x.npy --output y.npy";
    refuses(
        &place,
        "forward",
        &[
            (
                &format!("--model vgg-smal --weights base.safetensors {rest}"),
                2,
                &["did you mean vgg-small"],
            ),
            (&format!("--model ConvX --weights g.safetensors {rest}"), 2, &["did you mean Conv"]),
            (&format!("--weights g.safetensors {rest}"), 1, &["does not say which", "--model: "]),
            (&format!("--model ConvS --weights no.st {rest}"), 1, &["no.st", "check the path"]),
            (
                &format!("--model UNetS --weights g.safetensors {rest}"),
                1,
                &["no tensor", "check --model"],
            ),
            (
                &format!("--model resnet20 --weights base.safetensors {rest}"),
                1,
                &["no tensor linear.weight", "holds vgg-small: check --model"],
            ),
        ],
    );
    // The file says which network it holds.
    place.run(&format!("forward --weights base.safetensors {rest}")).done();
}

#[test]
fn no_file_is_written_over_another_that_is_needed() {
    let place = place();
    let base = format!("{BASE} --input x.npy");
    refuses(
        &place,
        &base,
        &[
            ("--output x.npy", 2, &["--output: x.npy is already --input", "of its own"]),
            (
                "--output ./base.safetensors",
                2,
                &["--output: ./base.safetensors is already --weights"],
            ),
            ("--output labels.npy --labels labels.npy", 2, &["is already --labels"]),
            (
                "--output y --upstream u.npy --grads u.npy",
                2,
                &["--grads: u.npy is already --upstream"],
            ),
            ("--output y --upstream u.npy --grads ./y", 2, &["--grads: ./y is already --output"]),
            ("--output no/y.npy", 1, &["no/y.npy", "create it first"]),
            ("--output .", 1, &["it is a folder"]),
        ],
    );
    refuses(
        &place,
        &format!("{EOPM} --ber 0.01 --seeds 1,2"),
        &[("--grads g.safetensors", 2, &["--grads: g.safetensors is already --generator-weights"])],
    );
}

#[test]
fn images_out_of_range_are_warned_of() {
    let place = place();
    npy::save_f32(place.path("bytes.npy"), &[1, 3, 32, 32], &[255.0; 3 * 32 * 32]).unwrap();
    let line = format!("{BASE} --input bytes.npy --output y.npy");
    let ended = place.run(&line);
    assert!(ended.stderr.contains("warning: bytes.npy has values up to 255"), "{}", ended.stderr);
    ended.done();
    assert!(!place.run(&format!("{line} --quiet")).stderr.contains("warning"));
}
