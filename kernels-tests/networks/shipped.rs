//! The networks in `models/` are undamaged and as their README describes, with their weights on the
//! right grid.
use crate::extent::skipped;
use nf_gpu::{
    files::{Weights, sha256},
    models,
    nn::Stored,
    train::{BaseHints, BaseNet},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// A shipped file, unless this is the published package, which lacks large files.
fn shipped(name: &str) -> Option<PathBuf> {
    let path = folder().join(name);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("{} is not there", path.display()));
    None
}

#[test]
fn every_shipped_file_is_described_and_loads() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "README.md" {
            continue;
        }
        count += 1;
        let sum = sha256(&path).unwrap();
        for says in [format!("`{name}`"), format!("`{sum}`")] {
            assert!(readme.contains(&says), "models/README.md does not say {says} of {name}");
        }
        let weights = Weights::load(&path).unwrap();
        let model = weights.meta("model").unwrap();
        if models::is_generator(model) {
            models::generator(model, [3, 32, 32]).unwrap().check(&weights).unwrap();
            continue;
        }
        let base = BaseNet::load(&path, &BaseHints::default()).unwrap();
        assert_eq!(base.precision(None).unwrap(), 8, "{name}");
        assert_eq!(base.class_names().unwrap().unwrap().len(), 10, "{name}");
        assert!(weights.meta("dataset").is_some(), "{name}");
    }
    assert!(count >= 3);
}

#[test]
fn vgg11_is_shipped_as_stored_words() {
    let Some(path) = shipped("vgg11-cifar10.safetensors") else { return };
    assert!(fs::metadata(&path).unwrap().len() < 10_000_000);
    let base = BaseNet::load(&path, &BaseHints::default()).unwrap();
    assert_eq!(base.graph.stored(&base.weights), Stored::Words { bits: 8 });
    // The file from which it was made, which only developers have.
    let floats =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/models/vgg11-cifar10.safetensors");
    if !floats.exists() {
        skipped("../shared/models/vgg11-cifar10.safetensors is not there");
        return;
    }
    assert!(Weights::load(floats).unwrap().tensors == base.weights.tensors);
}
