//! Sum of a weight gradient's partial results, `shaders/conv/weight_gradient.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::plan::{Accumulate, Grid, Plan},
    shape::Rsck,
};

crate::params! {
    /// Uniform block of `shaders/conv/weight_gradient.wgsl`.
    pub struct WeightGradientParams {
        /// Partial results.
        chunks: u32,
        /// Kernel rows.
        r: u32,
        /// Kernel columns.
        s: u32,
        /// Channels in: rows of a partial result.
        c: u32,
        /// Channels out: its columns.
        k: u32,
        /// 1 for the order `[C, K, R, S]`, 0 for `[K, C, R, S]`.
        row_major_c: u32,
        /// First float of the tensor in the gradients.
        offset: u32,
        /// Whether the sum is added to what is there.
        accumulate: u32,
    }
}

crate::kernel! {
    "conv" / "weight_gradient", WeightGradientParams,
    lib: ["lib/grid"],
    bindings: [("partial", Read), ("gradients", ReadWrite)],
}

/// Sums `chunks` partial results of shape `w` into the flat gradients at `offset`: in place of what is
/// there, or added to it (the later parts of a batch).
///
/// # Errors
/// The tensor does not fit the gradients.
pub fn plan(
    w: Rsck,
    chunks: u32,
    row_major_c: bool,
    offset: u32,
    gradients_len: u32,
    into: Accumulate,
) -> Result<Plan> {
    if offset.checked_add(w.len()).is_none_or(|end| end > gradients_len) {
        return Err(Error::Shape(format!("{w} at {offset} is past {gradients_len} gradients")));
    }
    let params = WeightGradientParams {
        chunks,
        r: w.r,
        s: w.s,
        c: w.c,
        k: w.k,
        row_major_c: u32::from(row_major_c),
        offset,
        accumulate: u32::from(into == Accumulate::Add),
    };
    let bytes = vec![w.bytes() * u64::from(chunks), u64::from(gradients_len) * 4];
    Ok(Plan::new(&KERNEL, &params, Grid::Items(u64::from(w.len())), bytes)
        .costing(u64::from(w.len()) * u64::from(chunks)))
}
