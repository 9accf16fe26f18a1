//! Broken copies of every file that a command reads: an answer or an error, never a panic, a signal or a
//! wait without end.
use super::Place;
use crate::hostile::{
    mutate::{Mutator, copies},
    samples,
};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// Copies of each file without `NF_GPU_MUTANTS`.
const USUAL: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(60);

/// File that is broken, and a command that reads it and does its work while the file is whole.
const READERS: [(&str, &str); 14] = [
    ("base.safetensors", "inject --base base.safetensors --seed 1 --out out"),
    ("map.csv", "inject --base base.safetensors --fault-map map.csv --out out"),
    ("map.npy", "inject --base base.safetensors --fault-map map.npy --out out"),
    ("map.safetensors", "inject --base base.safetensors --chip map.safetensors --out out"),
    ("faulty.json", "inject --replay faulty.json --out out"),
    ("points.toml", "energy --base vgg11 --points points.toml"),
    ("bench.json", "bench --compare bench.json bench.json"),
    ("image.jpg", "transform image.jpg --generator run/generator.safetensors --out-dir pictures"),
    ("image.ppm", "transform image.ppm --generator run/generator.safetensors --out-dir pictures"),
    (
        "run/generator.safetensors",
        "transform image.jpg --generator run/generator.safetensors --out-dir p",
    ),
    ("run/metrics.jsonl", "report run --out page.html"),
    ("run/eval.json", "report run --out page.html"),
    ("run/config.toml", "train --resume run"),
    ("run/checkpoint.safetensors", "train --resume run"),
];

/// A place with every file of [`READERS`].
fn prepared() -> Place {
    let place = Place::new();
    let write = |name: &str, bytes: &[u8]| fs::write(place.path(name), bytes).unwrap();
    write("map.csv", samples::CSV.as_bytes());
    write("map.npy", &samples::array());
    write("map.safetensors", &samples::fault_map());
    write("points.toml", samples::POINTS.as_bytes());
    write("bench.json", &samples::bench());
    write("image.jpg", &samples::jpeg());
    write("image.ppm", &samples::ppm());
    place.run("inject --base base.safetensors --seed 1 --out faulty.safetensors").done();
    let train = "train --base base.safetensors --batch-size 2 --chip 1 --images 10 --steps 2";
    place.run(&format!("{train} --out run --quiet")).done();
    place
}

fn restore(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn no_broken_file_makes_a_command_panic_or_hang() {
    let place = prepared();
    restore(&place.path("run"), &place.path("run-whole"));
    for (number, (name, line)) in READERS.iter().enumerate() {
        let file = place.path(name);
        let whole = fs::read(&file).unwrap();
        place.run(line).done();
        let mut refused = 0;
        for seed in 0..copies(USUAL) {
            // A resumed run writes into its folder.
            restore(&place.path("run-whole"), &place.path("run"));
            let copy = Mutator::new(seed << 8 | number as u64).copy(&whole, 0);
            fs::write(&file, &copy).unwrap();
            let began = Instant::now();
            let ended = place.run(line);
            let took = began.elapsed();
            let ok = matches!(ended.code, Some(0..=2)) && !ended.stderr.contains("panicked");
            assert!(ok, "{name}, copy {seed}: {ended:?}");
            assert!(took < PATIENCE, "{name}, copy {seed}: {took:?}");
            refused += u64::from(ended.code != Some(0));
        }
        fs::write(&file, &whole).unwrap();
        println!("{name}: {refused} of {} copies refused", copies(USUAL));
    }
}
