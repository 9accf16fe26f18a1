//! A copy, for the memory ceiling of a benchmark; `shaders/bench/bench_copy.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::plan::{Grid, Plan},
};

crate::params! {
    /// Uniform block of `shaders/bench/bench_copy.wgsl`.
    pub struct BenchCopyParams {
        /// Groups of 16 bytes.
        vec4s: u32,
    }
}

crate::kernel! {
    "bench" / "bench_copy", BenchCopyParams,
    lib: ["lib/grid"],
    bindings: [("x", Read), ("y", ReadWrite)],
}

/// Copies `vec4s` times 16 bytes. Its operations are the bytes read and written.
///
/// Bindings: x, y `[vec4s]`.
///
/// # Errors
/// Nothing to copy.
pub fn plan(vec4s: u32) -> Result<Plan> {
    if vec4s == 0 {
        return Err(Error::Shape("a copy of nothing".into()));
    }
    let bytes = u64::from(vec4s) * 16;
    let params = BenchCopyParams { vec4s };
    let plan = Plan::new(&KERNEL, &params, Grid::Items(vec4s.into()), vec![bytes, bytes]);
    Ok(plan.costing(2 * bytes))
}
