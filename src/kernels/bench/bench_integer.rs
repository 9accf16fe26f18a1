//! Philox in registers, which measures an adapter's integer rate; `shaders/bench/bench_integer.wgsl`.

use crate::{
    error::{Error, Result},
    fault::philox4x32_10,
    kernels::{
        desc::{Access, KernelDesc, Params, Requires, Variant},
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, suite},
    },
};

crate::params! {
    /// Uniform block of `shaders/bench/bench_integer.wgsl`.
    pub struct BenchIntegerParams {
        /// Number of results.
        len: u32,
        /// Calls of Philox for each result.
        turns: u32,
    }
}

/// A variant's text: its multiplication, the pieces that all variants share, and its own file.
macro_rules! joined {
    ($multiply:literal, $own:literal) => {
        crate::wgsl!("lib/grid", $multiply, "lib/philox", "lib/bench_integer", $own)
    };
}

/// The kernel's interface and its variants.
pub static KERNEL: KernelDesc = KernelDesc {
    name: "bench_integer",
    params_name: BenchIntegerParams::NAME,
    params: BenchIntegerParams::FIELDS,
    bindings: &[("params", Access::Uniform), ("y", Access::ReadWrite)],
    variants: &[
        Variant {
            requires: Requires::Int64,
            ..Variant::hot(
                "int64",
                "bench_integer_int64",
                joined!("lib/multiply_int64", "bench/bench_integer_int64"),
            )
        },
        Variant::hot("plain", "bench_integer", joined!("lib/multiply", "bench/bench_integer")),
    ],
};

/// 32-bit operations of one call of Philox, counted in the variant `plain` and used for every variant:
/// ten rounds of 10 products, 10 sums, 10 shifts and masks of halves, and 6 operations on key and
/// counter.
pub const OPERATIONS: u64 = 360;

/// Most turns of a loop that every driver completes.
pub const MOST_TURNS: u32 = 65_535;

/// Computes `turns` calls of Philox for each of `len` counters.
///
/// Bindings: y u32 `[len, 4]`.
pub fn plan(len: u32, turns: u32) -> Result<Plan> {
    if len == 0 || !(1..=MOST_TURNS).contains(&turns) {
        return Err(Error::Shape(format!("{turns} turns for {len} results")));
    }
    let params = BenchIntegerParams { len, turns };
    let plan =
        Plan::new(&KERNEL, &params, DispatchGrid::Items(len.into()), vec![u64::from(len) * 16]);
    Ok(plan.costing(u64::from(len) * u64::from(turns) * OPERATIONS))
}

fn case(len: u32, turns: u32) -> Result<Case> {
    let result = |i: u32| (0..turns).fold([i, 0, 0, 0], |c, _| philox4x32_10(c, [7, 9]));
    let words: Vec<u32> = (0..len).flat_map(result).collect();
    Ok(Case {
        label: format!("{len} results after {turns} turns"),
        plan: plan(len, turns)?,
        data: vec![Data::Output(Want::words(words))],
    })
}

fn cases() -> Result<Vec<Case>> {
    [(1, 1), (65, 3), (1000, 17)].into_iter().map(|(len, turns)| case(len, turns)).collect()
}

fn random(random: &mut Random) -> Result<Case> {
    case(random.length(2_000), random.between(1, 20))
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
