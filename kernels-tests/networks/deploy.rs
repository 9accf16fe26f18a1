//! What goes onto devices: C source that a compiler takes without a warning and that computes what it says; and that the
//! host's computation is the GPU's.
use crate::extent::{every_gpu, skipped};
use nf_gpu::{
    Graph, Weights,
    deploy::{Arithmetic, CSource, DeviceNetwork, Difference, c_source, protect_all, synthetic},
    forward::{GeneratorRequest, Images, generator},
    models,
    nn::{Role, initialise},
};
use std::{fs, path::Path, process::Command};

/// Weights of a generator with batch norms that are not the identity; some channels are turned over.
pub(crate) fn random(graph: &Graph, seed: u64) -> Weights {
    let mut weights = initialise(graph, false, seed);
    for param in &graph.params {
        let tensor = weights.tensors.get_mut(&param.name).unwrap();
        for (i, v) in tensor.data.iter_mut().enumerate() {
            let at = ((7 * i + param.name.len()) % 13) as f32 / 13.0;
            match param.role {
                Role::Weight | Role::Bias => {}
                Role::Gamma => *v = if i % 5 == 3 { -0.5 - at } else { 0.5 + at },
                Role::RunningVar => *v = 0.05 + at,
                _ => *v = at - 0.5,
            }
        }
    }
    weights
}

/// A system's C compiler; `CI=true` wants one.
fn compiler() -> Option<String> {
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let found = Command::new(&cc).arg("--version").output().is_ok_and(|done| done.status.success());
    if !found {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI has no {cc}");
        skipped(&format!("there is no C compiler {cc}; CC names another"));
    }
    found.then_some(cc)
}

/// Compiles the files in a folder as their Makefile does, and runs the test: whether it ended well, and what it printed.
fn compiled_and_run(cc: &str, folder: &Path) -> (bool, String) {
    let flags = ["-O1", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion"];
    let built = Command::new(cc)
        .current_dir(folder)
        .args(flags)
        .args(["-o", "test", "test_nf_generator.c", "nf_generator.c", "-lm"])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let run = Command::new(folder.join("test")).output().unwrap();
    (run.status.success(), String::from_utf8_lossy(&run.stdout).into_owned())
}

fn written(source: &CSource, folder: &Path) {
    for (name, bytes) in &source.files {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// Sides that need padding and cropping, and sides that do not; one, three and more channels.
const SIZES: [[u32; 3]; 4] = [[1, 9, 20], [3, 16, 16], [3, 32, 32], [5, 17, 11]];

#[test]
fn every_generator_as_c_compiles_without_a_warning_and_gives_the_golden_output() {
    let Some(cc) = compiler() else { return };
    for name in models::GENERATORS {
        for chw in SIZES {
            let graph = models::generator(name, chw).unwrap();
            let network = DeviceNetwork::of(&graph, &random(&graph, 3)).unwrap();
            let source = c_source(&network, &synthetic(1, chw), "a test */ of (text)").unwrap();
            let folder = tempfile::tempdir().unwrap();
            written(&source, folder.path());
            let (well, printed) = compiled_and_run(&cc, folder.path());
            println!("{name} {chw:?}: {} floats of scratch; {printed}", source.scratch_floats);
            assert!(well, "{name} {chw:?}: {printed}");
            assert!(source.tolerance < 1e-4, "{name} {chw:?}: {:e}", source.tolerance);
        }
    }
}

/// The test on the device sees one wrong word, and says no to a scratch that is too small.
#[test]
fn the_c_test_can_fail() {
    let Some(cc) = compiler() else { return };
    let chw = [1, 9, 20];
    let graph = models::generator("UNetS", chw).unwrap();
    let network = DeviceNetwork::of(&graph, &random(&graph, 3)).unwrap();
    let source = c_source(&network, &synthetic(1, chw), "a test").unwrap();
    let folder = tempfile::tempdir().unwrap();
    written(&source, folder.path());
    let change = |file: &str, from: &str, to: &str| {
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    };
    change(
        "test_nf_generator.c",
        "NF_GENERATOR_SCRATCH_FLOATS);",
        "NF_GENERATOR_SCRATCH_FLOATS - 1);",
    );
    let (well, printed) = compiled_and_run(&cc, folder.path());
    assert!(!well && printed.contains("returned -2"), "{printed}");
    written(&source, folder.path());
    // The first word of the last layer.
    let weights = folder.path().join("nf_generator_weights.h");
    let text = fs::read_to_string(&weights).unwrap();
    let last = text.rfind("int8_t").unwrap();
    let at = last + text[last..].find("{\n").unwrap() + 2;
    let end = at + text[at..].find(',').unwrap();
    let word: i32 = text[at..end].trim().parse().unwrap();
    let other =
        format!("{}{}{}", &text[..at], if word > 0 { word - 9 } else { word + 9 }, &text[end..]);
    fs::write(weights, other).unwrap();
    let (well, printed) = compiled_and_run(&cc, folder.path());
    assert!(!well && printed.contains("largest difference"), "{printed}");
}

/// Golden outputs are computed on the host: they are what the program's own forward pass gives on a GPU.
#[test]
fn the_host_computes_what_the_gpu_does() {
    every_gpu(|gpu, adapter| {
        for name in models::GENERATORS {
            let chw = [3, 17, 16];
            let graph = models::generator(name, chw).unwrap();
            let weights = random(&graph, 5);
            let network = DeviceNetwork::of(&graph, &weights).unwrap();
            let x = synthetic(2, chw);
            let request = GeneratorRequest {
                graph: &graph,
                weights: &weights,
                training: false,
                images: Images::new(&[2, 3, 17, 16], &x).unwrap(),
                upstream: None,
                gradient: false,
                micro_batch: None,
            };
            let got = generator(gpu, &request).unwrap().images;
            let want = protect_all(&network, Arithmetic::Double, &x);
            let difference = Difference::of(&got, &want);
            println!("{adapter}: {name}: {difference:?}");
            assert!(difference.largest < 2e-5, "{name}: {difference:?}");
            let moved = Difference::of(&x, &want);
            assert!(moved.mean > 0.01, "{name} does next to nothing: {moved:?}");
        }
    });
}
