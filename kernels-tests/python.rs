//! `python/test_nf_gpu_torch.py`: weights to PyTorch and back bit for bit, outputs and gradients of
//! `nf-gpu forward` against PyTorch's. Skipped where there is no PyTorch; `NF_PYTHON` names a Python.
use nf_gpu::models;
use std::{
    env,
    io::{self, Write as _},
    path::Path,
    process::{Command, Stdio},
};

#[test]
#[ignore = "in ./test.sh --all: wants PyTorch, and runs every network"]
fn pytorch_and_nf_gpu_agree() {
    let python = env::var("NF_PYTHON").unwrap_or_else(|_| "python3".into());
    let mut probe = Command::new(&python);
    probe.args(["-c", "import numpy, safetensors, torch"]).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        assert!(
            env::var_os("NF_PYTHON").is_none(),
            "NF_PYTHON={python} cannot import numpy, safetensors and torch"
        );
        // Straight to stderr, where the test runner does not hide it.
        let why =
            "skipped: no PyTorch; NF_PYTHON names a Python with torch, safetensors and numpy\n";
        io::stderr().write_all(why.as_bytes()).unwrap();
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/test_nf_gpu_torch.py");
    let names: Vec<&str> =
        models::BASES.iter().filter(|base| base.side == 32).map(|base| base.name).collect();
    let done = Command::new(&python)
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_nf-gpu"))
        .args(["--generators", &models::GENERATORS.join(",")])
        .args(["--bases", &names.join(",")])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    println!("{}", text(&done.stdout));
    assert!(done.status.success(), "{}", text(&done.stderr));
    // The script names what it tested: none of its tests may be missing.
    assert!(text(&done.stderr).contains("Ran 15 tests"), "{}", text(&done.stderr));
}
