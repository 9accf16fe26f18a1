//! How much a run of the tests proves, and on which adapters.
//!
//! `./test.sh` proves each thing once. `./test.sh --all`, which CI calls, sets `NF_GPU_ALL=1` and takes in the
//! tests marked `#[ignore = "in ./test.sh --all: why"]`; tests beyond the kernels' then run on every
//! adapter too, and drawn suites draw as many cases as they are worth.
//! `NF_ADAPTER=0` (or part of a name) restricts either to adapters.
use nf_gpu::gpu::{self, AdapterChoice, AdapterReport};
use nf_gpu::run::Gpu;
use std::{
    io::{self, Write as _},
    thread,
};

/// Whether this is `./test.sh --all`.
pub(crate) fn all() -> bool {
    std::env::var_os("NF_GPU_ALL").is_some_and(|v| !v.is_empty() && v != "0")
}

/// Reports that the present test proves nothing, or less, here. Written directly to stderr, where the
/// test runner does not hide it: a skipped test looks as green as a passed one.
pub(crate) fn skipped(why: &str) {
    let line = format!("skipped: {}: {why}\n", thread::current().name().unwrap_or("a test"));
    io::stderr().write_all(line.as_bytes()).unwrap();
}

/// The adapters of this machine, or those of `NF_ADAPTER`: every kernel and variant is tested on them.
pub(crate) fn adapters_in_sight() -> Vec<AdapterReport> {
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

/// Everything that is built from kernels runs on the first of [`adapters_in_sight`], or on all with
/// `--all`, because each kernel is proved on all.
pub(crate) fn adapters() -> Vec<AdapterReport> {
    let mut adapters = adapters_in_sight();
    if !all() {
        adapters.truncate(1);
    }
    adapters
}

/// Opens an adapter and names it.
pub(crate) fn open(adapter: &AdapterReport) -> Gpu {
    println!("{}", adapter.line());
    let index = Some(adapter.index.to_string());
    Gpu::open(&AdapterChoice { adapter: index, ..Default::default() }).unwrap()
}

/// Runs a test on each of [`adapters`].
pub(crate) fn every_gpu(mut test: impl FnMut(&Gpu, &str)) {
    for adapter in adapters() {
        test(&open(&adapter), &adapter.line());
    }
}

/// Number of cases of a randomised suite: from the environment, else `all_of_them` with `--all`, else
/// `usual`.
pub(crate) fn drawn(variable: &str, usual: u64, all_of_them: u64) -> u64 {
    match std::env::var(variable) {
        Ok(n) => n.parse().unwrap_or_else(|_| panic!("{variable}={n} is no number")),
        Err(_) if all() => all_of_them,
        Err(_) => usual,
    }
}
