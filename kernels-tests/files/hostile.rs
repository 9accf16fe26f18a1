//! Broken and hostile files: no parser of the library panics, hangs or uses excessive memory.
pub(crate) mod mutate;
pub(crate) mod parsers;
pub(crate) mod samples;

use crate::extent::{drawn, skipped};
use mutate::Mutator;
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

/// Copies of each file without `NF_GPU_MUTANTS`: normally, and with `--all`.
const COPIES: (u64, u64) = (25, 200);
const PATIENCE: Duration = Duration::from_secs(10);

fn entry(family: &str) -> fn(&[u8]) -> bool {
    parsers::FAMILIES.iter().find(|(name, _)| *name == family).unwrap().1
}

#[test]
fn every_sample_is_valid_and_every_family_has_one() {
    let samples = samples::all();
    for sample in &samples {
        assert!(entry(sample.family)(&sample.bytes), "{} is refused", sample.name);
    }
    for (family, _) in parsers::FAMILIES {
        assert!(samples.iter().any(|s| s.family == family), "{family}");
    }
}

#[test]
fn no_copy_makes_a_parser_panic_or_hang() {
    let n = drawn("NF_GPU_MUTANTS", COPIES.0, COPIES.1);
    for (number, sample) in samples::all().iter().enumerate() {
        let (parse, mut accepted) = (entry(sample.family), 0);
        let first_chooses = !matches!(sample.family, "weights" | "npy" | "images" | "onnx");
        for seed in 0..n {
            let mut mutator = Mutator::new(seed << 8 | number as u64);
            let copy = mutator.copy(&sample.bytes, usize::from(first_chooses));
            let began = Instant::now();
            let parsed = catch_unwind(AssertUnwindSafe(|| parse(&copy)));
            assert!(parsed.is_ok(), "{}, copy {seed}: a panic", sample.name);
            assert!(began.elapsed() < PATIENCE, "{}, copy {seed}: too slow", sample.name);
            accepted += u64::from(parsed.is_ok_and(|accepted| accepted));
        }
        println!("{}: {accepted} of {n} copies are still valid", sample.name);
        assert!(n < 100 || accepted < n, "{}: nothing is refused", sample.name);
    }
}

#[test]
fn the_seeds_of_the_fuzz_targets_are_the_samples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let write = std::env::var_os("NF_GPU_SEEDS").is_some();
    if !write && !root.exists() {
        // The published package has no fuzz folder.
        skipped(&format!("{} is not there", root.display()));
        return;
    }
    for sample in samples::all() {
        let file = root.join(sample.family).join(sample.name.replace(' ', "-"));
        if write {
            fs::create_dir_all(root.join(sample.family)).unwrap();
            fs::write(&file, &sample.bytes).unwrap();
        }
        let seed = fs::read(&file).unwrap_or_default();
        assert!(entry(sample.family)(&seed), "{}: NF_GPU_SEEDS=1 writes it", file.display());
    }
}
