//! Multiply-adds in registers that measure an adapter's arithmetic rate; `shaders/bench/bench_fma*.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        desc::{Access, KernelDesc, Params, Requires, Suits, Variant},
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, suite},
    },
};

crate::params! {
    /// Uniform block of `shaders/lib/bench_fma.wgsl`.
    pub struct BenchFmaParams {
        /// Number of results.
        len: u32,
        /// Steps of each chain, in units of [`STEPS`].
        turns: u32,
        /// Factor of each value in a step.
        factor: f32,
        /// Summand of the product in a step.
        step: f32,
    }
}

/// A variant's text: lines that must come first, the pieces that all variants share, and its own file.
macro_rules! joined {
    ($($first:literal,)? [$own:literal]) => {
        crate::wgsl!($($first,)? "lib/grid", "lib/each", "lib/bench_fma", $own)
    };
}

/// The kernel's interface and its variants.
pub static KERNEL: KernelDesc = KernelDesc {
    name: "bench_fma",
    params_name: BenchFmaParams::NAME,
    params: BenchFmaParams::FIELDS,
    bindings: &[("params", Access::Uniform), ("y", Access::ReadWrite)],
    variants: &[
        Variant::hot("plain", "bench_fma", joined!(["bench/bench_fma"])),
        Variant {
            requires: Requires::Half,
            suits: Suits::Hardware,
            ..Variant::hot("half", "bench_fma_half", joined!("lib/half", ["bench/bench_fma_half"]))
        },
        Variant::hot("pairs", "bench_fma_pairs", joined!(["bench/bench_fma_pairs"])),
    ],
};

/// Largest `turns`: a variant's loop has four times as many turns, and some drivers cut loops off after
/// 65,535.
pub const MOST_TURNS: u32 = 16_383;

/// Chains per result, each of four values.
pub const CHAINS: u32 = 8;
/// Steps of a chain in each of the `turns`.
pub const STEPS: u32 = 24;

/// For each of `len` results, computes eight chains of four values: each value is multiplied by `factor`
/// and increased by `step`, `24 turns` times. A multiply-add counts as two operations.
///
/// Bindings: y f32 `[len, 4]`, the sums over the chains.
pub fn plan(len: u32, turns: u32, factor: f32, step: f32) -> Result<Plan> {
    if len == 0 || !(1..=MOST_TURNS).contains(&turns) {
        return Err(Error::Shape(format!("{turns} turns for {len} results")));
    }
    let params = BenchFmaParams { len, turns, factor, step };
    let plan =
        Plan::new(&KERNEL, &params, DispatchGrid::Items(len.into()), vec![u64::from(len) * 16]);
    let each = u64::from(turns) * u64::from(CHAINS * STEPS) * 4 * 2;
    Ok(plan.costing(u64::from(len) * each))
}

/// The sum over the chains of component `lane` of result `i`.
fn sum(i: u32, lane: u32, turns: u32, factor: f64, step: f64) -> f64 {
    let chain = |k: u32| {
        let first = f64::from(i % 8 + lane + k);
        (0..STEPS * turns).fold(first, |a, _| factor * a + step)
    };
    (0..CHAINS).map(chain).sum()
}

fn case(len: u32, turns: u32, factor: f32, step: f32) -> Result<Case> {
    let value = |j: u32| sum(j / 4, j % 4, turns, factor.into(), step.into());
    let values: Vec<f64> = (0..4 * len).map(value).collect();
    Ok(Case {
        label: format!("{len} results, {turns} turns of a * {factor} + {step}"),
        plan: plan(len, turns, factor, step)?,
        data: vec![Data::Output(Want::exact(&values))],
    })
}

fn cases() -> Result<Vec<Case>> {
    [(1, 1, 1.0, 1.0), (65, 2, 1.0, 2.0), (300, 3, -1.0, 5.0), (7, 1, 0.0, 3.0)]
        .into_iter()
        .map(|(len, turns, factor, step)| case(len, turns, factor, step))
        .collect()
}

fn random(random: &mut Random) -> Result<Case> {
    let len = random.length(300);
    let (turns, factor, step) =
        random.of(&[(1, 1.0, 1.0), (2, 1.0, 2.0), (3, -1.0, 5.0), (1, 0.0, 3.0)]);
    case(len, turns, factor, step)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
