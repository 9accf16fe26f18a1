//! Counts and shares that `nf-gpu bench` reports are right; times are not tested.
use crate::networks::package::python_with_package;
use nf_gpu::{
    bench::{self, CaseSettings, Effort, StepSettings},
    gpu::AdapterChoice,
    kernels::plan::Dtype,
    models,
    report::bench_json,
    run::Gpu,
    step::Loss,
};
use std::{collections::BTreeSet, path::Path, process::Command};

fn gpu() -> Gpu {
    Gpu::open(&AdapterChoice::default()).unwrap()
}

#[test]
fn a_step_has_the_operations_that_the_method_needs_and_no_more() {
    let gpu = gpu();
    let (batch, copies) = (2, 2);
    let settings = StepSettings { batch, copies, dtype: Dtype::F32, loss: Loss::Labels };
    let names = bench::step_names("*/ConvS*").unwrap();
    let base = bench::step_names("base/resnet20").unwrap();
    let names: Vec<_> = names.into_iter().chain(base).collect();
    let mut steps = Vec::new();
    let each = |step| steps.push(step);
    bench::steps(&gpu, &names, settings, Effort::QUICK, each, &|| false).unwrap();
    let macs = |name: &str| {
        models::base(name, 10, None).or_else(|_| models::generator(name, [3, 32, 32])).unwrap()
    };
    let (base, generator) = (macs("resnet20").macs(), macs("ConvS"));
    // A training computes forward, weight gradients, and the input gradients of all layers but the
    // first.
    let first = u64::from(generator.layers[0].shape.len()) * 32 * 32;
    let training = 3 * generator.macs() - first;
    // The base computes forward and input gradients, no weight gradients; the clean network is one more
    // copy.
    let wanted = [u64::from(1 + copies) * 2 * base + training, training, 2 * base];
    for (step, wanted) in steps.iter().zip(wanted) {
        assert_eq!(step.conv_flops, 2 * u64::from(batch) * wanted, "{}", step.name);
        // Winograd runs 36 multiplications in place of 144; all other kernels run as many as their
        // definition.
        let of = |name: &str| -> u64 {
            step.kernels.iter().filter(|k| k.kernel == name).map(|k| k.flops).sum()
        };
        let gradients = of("conv2d_grad_weight");
        let run = of("conv2d") + of("matmul") + gradients;
        assert!(run <= step.conv_flops && 144 * run >= 36 * step.conv_flops, "{}", step.name);
        let trains = u64::from(step.name != "base/resnet20");
        assert_eq!(gradients, trains * 2 * u64::from(batch) * generator.macs(), "{}", step.name);
        let sum = |value: fn(&bench_json::KernelShare) -> f64| -> f64 {
            step.kernels.iter().map(value).sum()
        };
        assert!(
            (sum(|k| k.share) - 1.0).abs() < 1e-9
                && (sum(|k| k.ms) / step.gpu_ms - 1.0).abs() < 1e-9
        );
        assert_eq!(step.kernels.iter().map(|k| k.dispatches).sum::<u64>(), step.dispatches);
        assert!(step.busy.is_none_or(|busy| busy > 0.0 && busy <= 1.0), "{:?}", step.busy);
        let times = &step.times;
        assert!(times.min_ms > 0.0 && times.lower_ms <= times.median_ms && times.samples > 1);
        assert!(step.images_per_second > 0.0);
    }
    assert!(
        steps[0].fault_share > 0.0 && steps[1].fault_share > 0.0 && steps[2].fault_share == 0.0
    );
}

#[test]
#[ignore = "in ./test.sh --all: times every variant at a large network's shapes"]
fn candidates_are_timed_and_one_of_them_is_chosen() {
    let gpu = gpu();
    let ceilings = bench::ceilings(&gpu, Effort::QUICK).unwrap();
    for name in ["copy", "fma-f32", "integer"] {
        let ceiling = ceilings.iter().find(|c| c.name == name).unwrap();
        assert!(ceiling.rate > 0.0 && ceiling.rate.is_finite(), "{ceiling:?}");
    }
    let settings = CaseSettings { batch: 1, half: false, glance: false };
    let kernels = bench::kernel_names("conv2d_grad_weight").unwrap();
    let mut cases = Vec::new();
    let (each, names) = (|case, _| cases.push(case), (&kernels[..], None));
    let sums = bench::cases(&gpu, names, settings, Effort::QUICK, &ceilings, each, &|| false);
    let sums = sums.unwrap();
    let variants = nf_gpu::kernels::conv::conv2d_grad_weight::KERNEL.variants;
    // A software adapter leaves out what is made for hardware.
    let suited =
        |v: &&nf_gpu::kernels::desc::Variant| v.suits.is_measured(gpu.report().is_software());
    let runs = variants.iter().filter(suited);
    let runs = runs.filter(|v| v.workgroups.iter().any(|&w| gpu.lacks(v, w).is_none()));
    let runs: BTreeSet<&str> = runs.map(|v| v.name).collect();
    let places: BTreeSet<_> = cases.iter().map(|c| (&c.case, &c.shape)).collect();
    for place in places {
        let of: Vec<_> = cases.iter().filter(|c| (&c.case, &c.shape) == place).collect();
        let timed: BTreeSet<&str> = of.iter().map(|c| c.variant.as_str()).collect();
        assert!(timed.is_subset(&runs) && !timed.is_empty(), "{place:?}: {timed:?}");
        assert_eq!(of.iter().filter(|c| c.chosen).count(), 1, "{place:?}");
        assert!(of.iter().all(|c| c.share.is_some_and(|s| s > 0.0) && c.gflops > 0.0), "{place:?}");
    }
    assert!(sums.iter().any(|s| s.name == "resnet18 weight gradient"), "{sums:?}");
    assert!(sums.iter().all(|s| s.share.is_some_and(|share| share > 0.0)), "{sums:?}");
}

/// `python/time_torch.py` computes the same gradient in both of its ways. Skipped without PyTorch, which the Python
/// of `NF_PYTHON` may have.
#[test]
#[ignore = "in ./test.sh --all: wants PyTorch"]
fn both_ways_of_the_pytorch_timings_give_one_gradient() {
    let Some(python) = python_with_package(&["torch"]) else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/time_torch.py");
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &str| {
        let mut command = Command::new(&python);
        command.arg(&script).args(arguments.split(' ')).current_dir(folder.path());
        let done = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let size = "--generator ConvS --base resnet20 --batch 2 --device cpu";
    let printed = run(&format!("{size} --check"));
    assert!(printed.contains("relative_difference"), "{printed}");
    // Its reports have our format.
    run(&format!("{size} --ways ours --seconds 0 --samples 2 --out ."));
    let report = bench_json::load(folder.path().join("torch-ours-f32.json")).unwrap();
    assert_eq!((report.steps[0].name.as_str(), report.steps[0].batch), ("eopm/ConvS/resnet20", 2));
}
