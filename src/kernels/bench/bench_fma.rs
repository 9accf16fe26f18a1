//! Multiply-adds on registers, for the arithmetic ceiling of a benchmark; `shaders/bench/bench_fma*.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        desc::{Access, KernelDesc, Params, Requires, Suits, Variant},
        plan::{Grid, Plan},
    },
};

crate::params! {
    /// Uniform block of `shaders/bench/bench_fma*.wgsl`.
    pub struct BenchFmaParams {
        /// Results.
        len: u32,
        /// Steps of each chain, in 24s.
        turns: u32,
        /// What each value is multiplied by.
        factor: f32,
        /// What is added to the product.
        step: f32,
    }
}

/// The kernel's interface and its variants.
pub static KERNEL: KernelDesc = KernelDesc {
    name: "bench_fma",
    params_name: BenchFmaParams::NAME,
    params: BenchFmaParams::FIELDS,
    bindings: &[("params", Access::Uniform), ("y", Access::ReadWrite)],
    variants: &[
        Variant {
            trusted: true,
            ..Variant::usual("plain", "bench_fma", crate::wgsl!("lib/grid", "bench/bench_fma"))
        },
        Variant {
            requires: Requires::Half,
            suits: Suits::Hardware,
            trusted: true,
            ..Variant::usual(
                "half",
                "bench_fma_half",
                crate::wgsl!("lib/half", "lib/grid", "bench/bench_fma_half"),
            )
        },
        Variant {
            trusted: true,
            ..Variant::usual(
                "pairs",
                "bench_fma_pairs",
                crate::wgsl!("lib/grid", "bench/bench_fma_pairs"),
            )
        },
    ],
};

/// Most `turns`: a variant's loop has four times as many, and some drivers cut loops off after 65,535.
pub const MOST_TURNS: u32 = 16_383;

/// Chains of four values of one result.
pub const CHAINS: u32 = 8;
/// Steps of a chain in one of `turns`.
pub const STEPS: u32 = 24;

/// For each of `len` results eight chains of four values, each `24 turns` times multiplied by `factor`
/// and increased by `step`. A multiply-add is two operations.
///
/// Bindings: y f32 `[len, 4]`, the sums over the chains.
///
/// # Errors
/// Nothing to do, or more turns than drivers complete.
pub fn plan(len: u32, turns: u32, factor: f32, step: f32) -> Result<Plan> {
    if len == 0 || !(1..=MOST_TURNS).contains(&turns) {
        return Err(Error::Shape(format!("{turns} turns for {len} results")));
    }
    let params = BenchFmaParams { len, turns, factor, step };
    let plan = Plan::new(&KERNEL, &params, Grid::Items(len.into()), vec![u64::from(len) * 16]);
    let each = u64::from(turns) * u64::from(CHAINS * STEPS) * 4 * 2;
    Ok(plan.costing(u64::from(len) * each))
}
