//! Running totals of losses and hits, `shaders/loss/loss_totals.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::plan::{Grid, Plan},
};

/// Rows per copy, at most: their count must be exact as f32, and loops short.
const MAX_ROWS: u32 = 1 << 21;

crate::params! {
    /// Uniform block of `shaders/loss/loss_totals.wgsl`.
    pub struct LossTotalsParams {
        /// Copies.
        copies: u32,
        /// Rows per copy.
        n: u32,
    }
}

crate::kernel! {
    "loss" / "loss_totals", LossTotalsParams,
    lib: ["lib/grid", "lib/reduce"],
    bindings: [("row_loss", Read), ("correct", Read), ("totals", ReadWrite)],
}

/// Adds the `n` rows of each copy to its totals.
///
/// Bindings: `row_loss` f32 `[copies, n]`; correct u32 `[copies, n]`, 0 or 1; totals u32 `[copies,
/// 2]`: the bits of the f32 sum of losses, and the number of hits, changed in place.
///
/// # Errors
/// Nothing to do, more than 2^21 rows per copy, or more rows than 32-bit indices reach.
pub fn plan(copies: u32, n: u32) -> Result<Plan> {
    let rows = copies.checked_mul(n).filter(|&rows| rows > 0 && n <= MAX_ROWS);
    let Some(rows) = rows else {
        return Err(Error::Shape(format!("totals of {copies} copies of {n} rows")));
    };
    let rows = u64::from(rows) * 4;
    let bytes = vec![rows, rows, u64::from(copies) * 8];
    let grid = Grid::Groups(u64::from(copies));
    Ok(Plan::new(&KERNEL, &LossTotalsParams { copies, n }, grid, bytes))
}
