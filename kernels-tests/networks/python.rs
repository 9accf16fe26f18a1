//! What other programs compute: onnxruntime from exported files, PyTorch from torchvision's classifiers. Skipped where
//! they are not installed; `NF_PYTHON` names a Python.
use super::deploy::random;
use crate::extent::skipped;
use nf_gpu::{
    deploy::{Arithmetic, DeviceNetwork, calibrated, protect_all, synthetic},
    files::npy,
    models,
    onnx::export::generator,
};
use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

/// A Python that has these modules: the one that `NF_PYTHON` names, else `python3`. If it lacks them,
/// this is reported.
pub(crate) fn python_with(modules: &str) -> Option<String> {
    let python = env::var("NF_PYTHON").unwrap_or_else(|_| "python3".into());
    let mut probe = Command::new(&python);
    probe.args(["-c", &format!("import {modules}")]).stderr(Stdio::null());
    let found = probe.status().is_ok_and(|status| status.success());
    if !found {
        skipped(&format!("{python} cannot import {modules}; NF_PYTHON names another Python"));
    }
    found.then_some(python)
}

/// What is exported is what onnxruntime computes: a protected network's answers on the 1,000 test images of the sample,
/// and those of a faulty copy.
#[test]
#[ignore = "in ./test.sh --all: wants onnxruntime"]
fn exported_files_are_what_onnxruntime_computes() {
    let Some(python) = python_with("numpy, onnx, onnxruntime") else { return };
    let place = crate::cli::onnx::place();
    for line in [
        "train --base net.onnx --generator UNetS --dataset fashion-sample --faults stuck-at --ber 0.02 --chip 1 \
         --steps 3 --batch-size 8 --images 10 --out run",
        "export run --base net.onnx --out protected.onnx",
        "export run --base net.onnx --quantize --calibration-images 50 --images 20 --out int8.onnx",
        "eval --base net.onnx --generator run/generator.safetensors --dataset fashion-sample --faults stuck-at --ber 0 \
         --seeds 1 --logits protected.npy",
        "inject --base net.onnx --faults stuck-at --ber 0.02 --seed 1 --out faulty.onnx",
        "eval --base net.onnx --dataset fashion-sample --faults stuck-at --ber 0.02 --seeds 1 --logits faulty.npy",
    ] {
        place.run(line).done();
    }
    let sample =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample/t10k-images-idx3-ubyte.gz");
    let script = "
import gzip, sys, numpy as np, onnx, onnxruntime
pixels = np.frombuffer(gzip.open(sys.argv[1]).read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
x = pixels.astype(np.float32) / 127.5 - 1
for name, answers in ('protected', 'protected'), ('faulty', 'faulty'), ('int8', 'protected'):
    onnx.checker.check_model(name + '.onnx')
    session = onnxruntime.InferenceSession(name + '.onnx', providers=['CPUExecutionProvider'])
    y = session.run(None, {session.get_inputs()[0].name: x})[0]
    own = np.load(answers + '.npy')[0]
    print(name, (y.argmax(1) == own.argmax(1)).sum(), np.linalg.norm(y - own) / np.linalg.norm(y))
";
    let done = Command::new(&python)
        .current_dir(place.path(""))
        .args(["-c", script])
        .arg(sample)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&done.stdout);
    println!("{printed}");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for line in printed.lines() {
        let [name, same, near] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (same, off): (u32, f64) = (same.parse().unwrap(), near.parse().unwrap());
        // In int8 activations are on grids, which costs some answers.
        let (least, most) = if name == "int8" { (950, 0.2) } else { (995, 1e-4) };
        assert!(same >= least && off < most, "{line}");
    }
    assert_eq!(printed.lines().count(), 3);
}

/// Generators in int8 are what onnxruntime computes, with and without its optimisations: as good as all values are those of
/// the host, and the rest were next to a tie.
#[test]
#[ignore = "in ./test.sh --all: wants onnxruntime"]
fn int8_generators_are_what_onnxruntime_computes() {
    let Some(python) = python_with("numpy, onnx, onnxruntime") else { return };
    let folder = tempfile::tempdir().unwrap();
    for name in models::GENERATORS.iter().filter(|name| **name != "UIP") {
        for chw in [[1, 9, 20], [3, 16, 16]] {
            let graph = models::generator(name, chw).unwrap();
            let network = DeviceNetwork::of(&graph, &random(&graph, 3)).unwrap();
            let images = synthetic(3, chw);
            let by = calibrated(&network, &images).unwrap();
            let want = protect_all(&network, Arithmetic::Quantised(&by), &images);
            let shape: Vec<usize> = [3].into_iter().chain(chw.map(|n| n as usize)).collect();
            let at = |kind: &str| folder.path().join(format!("{name}-{}.{kind}", chw[0]));
            fs::write(at("onnx"), generator(&by).unwrap()).unwrap();
            npy::save_f32(at("x.npy"), &shape, &images).unwrap();
            npy::save_f32(at("y.npy"), &shape, &want).unwrap();
            let step = by.grids.iter().rev().find_map(|grid| *grid).unwrap().scale;
            fs::write(at("step"), step.to_string()).unwrap();
        }
    }
    let script = "
import glob, numpy as np, onnx, onnxruntime as ort
for name in sorted(glob.glob('*.onnx')):
    stem = name[:-5]
    onnx.checker.check_model(name, full_check=True)
    x, want = np.load(stem + '.x.npy'), np.load(stem + '.y.npy')
    step = float(open(stem + '.step').read())
    for level in ort.GraphOptimizationLevel.ORT_DISABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_ALL:
        options = ort.SessionOptions()
        options.graph_optimization_level = level
        session = ort.InferenceSession(name, options, providers=['CPUExecutionProvider'])
        off = np.abs(session.run(None, {'images': x})[0] - want)
        print(stem, str(level).split('_')[-1], (off < step / 4).mean(), (off < 1.5 * step).mean(), off.max() / step)
";
    let done =
        Command::new(&python).current_dir(folder.path()).args(["-c", script]).output().unwrap();
    let printed = String::from_utf8_lossy(&done.stdout);
    println!("{printed}");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for line in printed.lines() {
        let [_, _, same, near, _] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let [same, near] = [same, near].map(|share| share.parse::<f64>().unwrap());
        assert!(same >= 0.97 && near >= 0.995, "{line}");
    }
    assert_eq!(printed.lines().count(), 24);
}

/// Six networks that have every kind of layer of `scripts/onnx-zoo.sh`: logits are onnxruntime's, gradients PyTorch's.
#[test]
#[ignore = "in ./test.sh --all: wants PyTorch, torchvision and onnxruntime"]
fn six_of_torchvisions_classifiers_agree_as_onnx_files() {
    let Some(python) = python_with("numpy, torch, torchvision, onnx, onnxruntime") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/onnx_parity.py");
    let run = |arguments: &[&str]| {
        let done = Command::new(&python)
            .arg(&script)
            .arg(arguments[0])
            .arg(folder.path())
            .args(&arguments[1..])
            .arg("--six")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&done.stdout).into_owned();
        println!("{printed}");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        printed
    };
    run(&["prepare"]);
    let printed = run(&["compare", env!("CARGO_BIN_EXE_nf-gpu")]);
    assert!(printed.contains("6 networks, 0 wrong, 0 refused"), "{printed}");
}
