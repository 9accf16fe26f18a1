//! A copy that measures an adapter's memory bandwidth for benchmarks;
//! `shaders/bench/bench_copy.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, suite},
    },
};

crate::params! {
    /// Uniform block of `shaders/bench/bench_copy.wgsl`.
    pub struct BenchCopyParams {
        /// Groups of 16 bytes.
        vec4s: u32,
    }
}

crate::kernel! {
    KERNEL: "bench" / "bench_copy", BenchCopyParams,
    lib: ["lib/grid", "lib/each"],
    bindings: [("x", Read), ("y", ReadWrite)],
}

/// Copies `vec4s` times 16 bytes. The plan's operations are the bytes read and written.
///
/// Bindings: x, y `[vec4s]`.
pub fn plan(vec4s: u32) -> Result<Plan> {
    if vec4s == 0 {
        return Err(Error::Shape("a copy of nothing".into()));
    }
    let bytes = u64::from(vec4s) * 16;
    let params = BenchCopyParams { vec4s };
    let plan = Plan::new(&KERNEL, &params, DispatchGrid::Items(vec4s.into()), vec![bytes, bytes]);
    Ok(plan.costing(2 * bytes))
}

fn case(vec4s: u32, random: &mut Random) -> Result<Case> {
    // Arbitrary bits, so that some words are NaN as floats.
    let words: Vec<u32> = (0..4 * vec4s).map(|_| random.bits()).collect();
    Ok(Case {
        label: format!("{vec4s} times 16 bytes"),
        plan: plan(vec4s)?,
        data: vec![Data::input(&words), Data::Output(Want::words(words))],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(70);
    [1, 63, 64, 1025].into_iter().map(|vec4s| case(vec4s, &mut random)).collect()
}

fn random(random: &mut Random) -> Result<Case> {
    case(random.length(20_000), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
