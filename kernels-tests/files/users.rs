//! Files as a user meets them: PyTorch's files, files with wrong contents, and a full disk.

use crate::extent::skipped;
use std::path::{Path, PathBuf};

use nf_gpu::{
    Error,
    files::{Weights, safetensors},
    report::{Evaluated, Event, JsonLines, Sink, Step, curves, jsonl},
};

/// A file of the material outside the repository, which only developers have.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("../shared/{name} is not there"));
    None
}

#[test]
fn weights_of_the_reference_implementation_load() {
    let Some(path) = shared("golden/generators/ConvS.safetensors") else {
        return;
    };
    let weights = Weights::load(path).unwrap();
    let tensor = weights.get("param.conv1_1.weight", &[32, 3, 3, 3]).unwrap();
    assert_eq!(tensor.data.len(), 864);
    let error = weights.get("param.conv1_1.weights", &[32, 3, 3, 3]).unwrap_err();
    assert!(error.hint().unwrap().contains("param.conv1_1.weight [32, 3, 3, 3]"), "{error}");
}

#[test]
fn a_network_with_an_input_that_it_only_describes_asks_for_numbers() {
    let Some(path) = shared("models/resnet20-cifar10.safetensors") else {
        return;
    };
    let weights = Weights::load(path).unwrap();
    assert_eq!(weights.meta("model"), Some("resnet20"));
    weights.get("conv1.weight", &[16, 3, 3, 3]).unwrap();
    let error = weights.normalisation().unwrap_err();
    assert!(error.hint().unwrap().contains("--input-mean"), "{error}");
}

#[test]
fn integers_are_for_those_who_ask_for_them() {
    let Some(path) = shared("golden/faults/seed7_ber0.005.safetensors") else {
        return;
    };
    assert!(matches!(Weights::load(&path), Err(Error::Format { .. })));
    let (tensors, metadata) = safetensors::load(&path).unwrap();
    assert_eq!(metadata["seed"], "7");
    let map = &tensors["stuck_at_1"];
    assert_eq!((map.shape.as_slice(), map.dtype), (&[8192, 16][..], safetensors::Dtype::U8));

    let Some(path) = shared("golden/eopm/ConvS_resnet18.safetensors") else {
        return;
    };
    let (tensors, _) = safetensors::load(path).unwrap();
    let labels = tensors["labels"].to_i32().unwrap();
    assert!(labels.iter().all(|label| (0..10).contains(label)), "{labels:?}");
}

/// A file system of 64 KiB, where this process may mount one.
#[cfg(target_os = "linux")]
struct SmallDisk(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let arguments = ["-t", "tmpfs", "-o", "size=64k", "tmpfs"];
        let mounted =
            std::process::Command::new("mount").args(arguments).arg(folder.path()).output();
        if mounted.is_ok_and(|o| o.status.success()) {
            return Some(Self(folder));
        }
        skipped("a small file system cannot be mounted here");
        None
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_old_weights_and_no_litter() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let path = disk.0.path().join("generator.safetensors");
    let mut weights = Weights::default();
    weights.insert("w", &[1000], vec![0.5; 1000]);
    weights.save(&path).unwrap();

    let mut larger = weights.clone();
    larger.insert("w", &[100_000], vec![0.25; 100_000]);
    let error = larger.save(&path).unwrap_err();
    assert!(matches!(&error, Error::Write { path: p, .. } if *p == path), "{error}");
    assert!(error.hint().unwrap().contains("disk is full"), "{error}");
    assert_eq!(Weights::load(&path).unwrap().tensors, weights.tensors);
    assert_eq!(std::fs::read_dir(disk.0.path()).unwrap().count(), 1);

    let metrics = disk.0.path().join("metrics.jsonl");
    let mut lines = JsonLines::create(&metrics).unwrap();
    let error = (1..10_000).find_map(|step| lines.event(&step_event(step)).err()).unwrap();
    assert!(error.hint().unwrap().contains("disk is full"), "{error}");
    let text = std::fs::read_to_string(&metrics).unwrap();
    assert!(text.ends_with("}\n"), "half a line was left: {:?}", text.lines().last());
    assert!(jsonl::load(&metrics).unwrap().len() > 100);
}

fn step_event(step: u64) -> Event {
    Event::Step(Step { step, steps: 4, loss_clean: 1.0 / step as f32, ..Step::default() })
}

#[test]
fn a_run_leaves_metrics_from_which_its_curves_are_drawn_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let mut events: Vec<_> = (1..=4).map(step_event).collect();
    let accuracy_nf = Some(61.5);
    events.push(Event::Evaluated(Evaluated { step: 4, accuracy_nf, ..Evaluated::default() }));
    let mut lines = JsonLines::create(file("metrics.jsonl")).unwrap();
    for event in &events {
        lines.event(event).unwrap();
    }
    curves::save(file("a.svg"), &events).unwrap();
    curves::save_from(file("b.svg"), file("metrics.jsonl")).unwrap();
    let bytes = |name| std::fs::read(file(name)).unwrap();
    assert_eq!(bytes("a.svg"), bytes("b.svg"));
    let error = curves::save_from(file("c.svg"), file("none.jsonl")).unwrap_err();
    assert!(matches!(error, Error::Read { .. }));
}
