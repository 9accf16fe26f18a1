//! Every kernel, every variant, every workgroup size, every case, on every adapter at hand.
use nf_gpu::{
    conformance::{Outcome, run_suite},
    gpu::{self, AdapterChoice, Gpu},
    reference::SUITES,
};

#[test]
fn every_kernel_matches_its_twin_on_every_adapter() {
    let adapters = gpu::list();
    assert!(!adapters.is_empty(), "no adapter: install a Vulkan driver (scripts/driver.sh)");
    let only = std::env::var("NF_KERNEL").ok();
    let mut wrong = Vec::new();
    for adapter in &adapters {
        println!("{}", adapter.line());
        let choice =
            AdapterChoice { adapter: Some(adapter.index.to_string()), ..Default::default() };
        let gpu = Gpu::open(&choice).unwrap();
        for suite in SUITES {
            if only.as_ref().is_some_and(|k| k != suite.kernel.name) {
                continue;
            }
            let (mut ok, mut unsupported) = (0, 0);
            run_suite(&gpu, suite, |variant, workgroup, case, outcome| match outcome {
                Outcome::Ok => ok += 1,
                Outcome::Unsupported(_) => unsupported += 1,
                Outcome::Wrong(what) => {
                    let name = suite.kernel.name;
                    let on = &adapter.name;
                    let at = format!("{name} {} @{workgroup} {} on {on}", variant.name, case.label);
                    wrong.push(format!("{at}: {what}"));
                }
            })
            .unwrap();
            println!("  {}: {ok} ok, {unsupported} unsupported", suite.kernel.name);
            assert!(ok > 0 || !wrong.is_empty(), "{} ran nowhere", suite.kernel.name);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
