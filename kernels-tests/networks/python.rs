//! What other programs compute: onnxruntime from exported files, PyTorch from torchvision's classifiers. Skipped where
//! they are not installed; `NF_PYTHON` names a Python.
use crate::extent::skipped;
use std::{
    env,
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
for name in 'protected', 'faulty':
    onnx.checker.check_model(name + '.onnx')
    session = onnxruntime.InferenceSession(name + '.onnx', providers=['CPUExecutionProvider'])
    y = session.run(None, {session.get_inputs()[0].name: x})[0]
    own = np.load(name + '.npy')[0]
    print(name, (y.argmax(1) == own.argmax(1)).sum(), np.linalg.norm(y - own) / np.linalg.norm(y) < 1e-4)
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
        assert!(same.parse::<u32>().unwrap() >= 995 && near == "True", "{name}: {line}");
    }
    assert_eq!(printed.lines().count(), 2);
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
