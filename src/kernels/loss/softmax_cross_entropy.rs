//! Softmax cross-entropy, its gradient and the hits, `shaders/loss/softmax_cross_entropy.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::plan::{Grid, Plan},
    shape::Nhwc,
};

/// Lanes per row, at most: the smallest workgroup has so many.
const MAX_SPAN: u32 = 32;

crate::params! {
    /// Uniform block of `shaders/loss/softmax_cross_entropy.wgsl`.
    pub struct SoftmaxCrossEntropyParams {
        /// Copies times images.
        rows: u32,
        /// Images.
        n: u32,
        /// Classes without padding.
        classes: u32,
        /// Lanes per row.
        span: u32,
    }
}

crate::kernel! {
    "loss" / "softmax_cross_entropy", SoftmaxCrossEntropyParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/largest"],
    bindings: [
        ("logits", Read), ("labels", Read), ("weights", Read), ("dlogits", ReadWrite),
        ("row_loss", ReadWrite), ("correct", ReadWrite),
    ],
}

/// Loss and gradient of `copies` networks on the same `n` images; row r is image `r % n` of copy
/// `r / n`.
///
/// Bindings: logits f32 `[rows, C4 * 4]`; labels u32 `[n]`, each below `classes`; weights f32
/// `[copies]`, the factor of each copy's gradient (`1 / n` for a mean); dlogits like logits;
/// `row_loss` f32 `[rows]`, `-log p`, unweighted; correct u32 `[rows]`, 1 where the first largest
/// logit is the label's.
///
/// # Errors
/// Nothing to do, or more than 32-bit indices reach.
pub fn plan(copies: u32, n: u32, classes: u32) -> Result<Plan> {
    let logits = Nhwc::new(copies, 1, n, classes).checked()?;
    let rows = logits.pixels();
    let span = logits.c4().next_power_of_two().min(MAX_SPAN);
    let params = SoftmaxCrossEntropyParams { rows, n, classes, span };
    let lanes = u64::from(rows) * u64::from(span);
    if lanes > u64::from(u32::MAX) {
        let what = format!("{rows} rows of {classes} classes");
        return Err(Error::TooManyElements { what });
    }
    let [rows, n, copies] = [rows, n, copies].map(|len| u64::from(len) * 4);
    let bytes = vec![logits.bytes(), n, copies, logits.bytes(), rows, rows];
    // Two exponentials, each about ten operations.
    Ok(Plan::new(&KERNEL, &params, Grid::Items(lanes), bytes).costing(24 * logits.bytes() / 4))
}
