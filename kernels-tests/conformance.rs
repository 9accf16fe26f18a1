//! Every kernel, every variant, every workgroup size, every case, on every adapter at hand.
//! `NF_KERNEL=add` restricts it to a kernel, `NF_ADAPTER=0` (or part of a name) to adapters.
use nf_gpu::{
    conformance::{Outcome, run_case, run_suite},
    gpu::{self, AdapterChoice, AdapterReport, Gpu},
    reference::{SUITES, Suite},
};

/// Adapters to test on: all, or those of `NF_ADAPTER`.
pub(super) fn adapters() -> Vec<AdapterReport> {
    let only = std::env::var("NF_ADAPTER").ok();
    let wanted = |a: &AdapterReport| {
        only.as_ref().is_none_or(|only| match only.parse::<usize>() {
            Ok(index) => a.index == index,
            Err(_) => a.line().contains(only.as_str()),
        })
    };
    let adapters: Vec<_> = gpu::list().into_iter().filter(wanted).collect();
    assert!(!adapters.is_empty(), "no adapter: install a Vulkan driver (scripts/driver.sh)");
    adapters
}

/// Opens one of them and names it.
pub(super) fn open(adapter: &AdapterReport) -> Gpu {
    println!("{}", adapter.line());
    let index = Some(adapter.index.to_string());
    Gpu::open(&AdapterChoice { adapter: index, ..Default::default() }).unwrap()
}

/// Runs every suite that is wanted; what is wrong goes to `wrong`.
fn run(gpu: &Gpu, wanted: impl Fn(&Suite) -> bool, wrong: &mut Vec<String>) {
    let on = &gpu.report().name;
    for suite in SUITES.iter().filter(|&s| wanted(s)) {
        let name = suite.kernel.name;
        let (mut ok, mut unsupported) = (0, 0);
        run_suite(gpu, suite, |variant, workgroup, case, outcome| match outcome {
            Outcome::Ok => ok += 1,
            Outcome::Unsupported(_) => unsupported += 1,
            Outcome::Wrong(what) => {
                let at = format!("{name} {} @{workgroup} {} on {on}", variant.name, case.label);
                wrong.push(format!("{at}: {what}"));
            }
        })
        .unwrap();
        println!("  {name}: {ok} ok, {unsupported} unsupported");
        assert!(ok > 0 || !wrong.is_empty(), "{name} ran nowhere");
    }
}

#[test]
fn every_kernel_matches_its_twin_on_every_adapter() {
    let only = std::env::var("NF_KERNEL").ok();
    let named = |s: &Suite| only.as_ref().is_none_or(|k| k == s.kernel.name);
    let mut wrong = Vec::new();
    for adapter in &adapters() {
        let mut gpu = open(adapter);
        run(&gpu, named, &mut wrong);
        // Trusted variants must not need that trust.
        println!("  with run-time checks:");
        gpu.check_shaders();
        let trusted = |s: &Suite| named(s) && s.kernel.variants.iter().any(|v| v.trusted);
        run(&gpu, trusted, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What the harness says of the first case of `add` when the kernel computes `more` groups of
/// channels than it should.
fn outcome_of_add(gpu: &Gpu, more: i32) -> Outcome {
    let suite = SUITES.iter().find(|s| s.kernel.name == "add").unwrap();
    let mut case = (suite.cases)().unwrap().swap_remove(0);
    let at = suite.kernel.params.iter().find(|f| f.name == "vec4s").unwrap().offset;
    let vec4s: &mut [u8] = &mut case.plan.params[at..at + 4];
    let changed =
        u32::from_ne_bytes((&*vec4s).try_into().unwrap()).checked_add_signed(more).unwrap();
    vec4s.copy_from_slice(&changed.to_ne_bytes());
    let variant = &suite.kernel.variants[0];
    run_case(gpu, &case, variant, variant.workgroups[0]).unwrap()
}

#[test]
fn the_harness_sees_an_element_not_written_and_one_too_many() {
    for adapter in &adapters() {
        let gpu = open(adapter);
        assert_eq!(outcome_of_add(&gpu, 0), Outcome::Ok);
        let says = |more, what: &str| match outcome_of_add(&gpu, more) {
            Outcome::Wrong(wrong) => assert!(wrong.what.contains(what), "{wrong}"),
            other => panic!("{more} elements more: {other:?}"),
        };
        says(-1, "got NaN");
        says(1, "wrote past its end");
    }
}
