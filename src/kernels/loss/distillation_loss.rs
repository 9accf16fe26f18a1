//! How far copies of a network are from a teacher's answers, `shaders/loss/distillation_loss.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::plan::{Grid, Plan},
    shape::Nhwc,
};

/// Lanes per row, at most: the smallest workgroup has so many.
const MAX_SPAN: u32 = 32;

crate::params! {
    /// Uniform block of `shaders/loss/distillation_loss.wgsl`.
    pub struct DistillationLossParams {
        /// Copies times images.
        rows: u32,
        /// Images.
        n: u32,
        /// Classes without padding.
        classes: u32,
        /// Lanes per row.
        span: u32,
        /// What the logits are divided by.
        temperature: f32,
        /// One over it.
        inverse: f32,
    }
}

crate::kernel! {
    "loss" / "distillation_loss", DistillationLossParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/largest"],
    bindings: [
        ("logits", Read), ("teacher", Read), ("weights", Read), ("dlogits", ReadWrite),
        ("row_loss", ReadWrite), ("correct", ReadWrite),
    ],
}

/// Whether logits can be divided by a temperature: it, its square, which multiplies the loss, and one
/// over it are ordinary numbers above 0 in f32.
#[must_use]
pub fn takes(temperature: f32) -> bool {
    let ordinary = [temperature, temperature * temperature, 1.0 / temperature];
    temperature > 0.0 && ordinary.iter().all(|v| v.is_normal())
}

/// Loss and gradient of `copies` networks on the same `n` images, whose answers are to be the teacher's,
/// `T^2 KL(softmax(teacher / T) || softmax(logits / T))` with T the temperature (Hinton et al.,
/// arXiv:1503.02531: with `T^2` gradients are as large at every temperature); row r is image `r % n` of
/// copy `r / n`.
///
/// Bindings: logits f32 `[rows, C4 * 4]`; teacher f32 `[n, C4 * 4]`; weights f32 `[copies]`, the factor
/// of each copy's gradient (`1 / n` for a mean); dlogits like logits; `row_loss` f32 `[rows]`, unweighted;
/// correct u32 `[rows]`, 1 where the first largest logit of both is that of the same class.
///
/// # Errors
/// Nothing to do, more than 32-bit indices reach, or a temperature that f32 cannot divide by ([`takes`]).
pub fn plan(copies: u32, n: u32, classes: u32, temperature: f32) -> Result<Plan> {
    let logits = Nhwc::new(copies, 1, n, classes).checked()?;
    let rows = logits.pixels();
    if !takes(temperature) {
        return Err(Error::Shape(format!("logits cannot be divided by {temperature}")));
    }
    let span = logits.c4().next_power_of_two().min(MAX_SPAN);
    let inverse = (1.0 / f64::from(temperature)) as f32;
    let params = DistillationLossParams { rows, n, classes, span, temperature, inverse };
    let lanes = u64::from(rows) * u64::from(span);
    if lanes > u64::from(u32::MAX) {
        let what = format!("{rows} rows of {classes} classes");
        return Err(Error::TooManyElements { what });
    }
    let teacher = Nhwc { n: 1, ..logits }.bytes();
    let [rows, copies] = [rows, copies].map(|len| u64::from(len) * 4);
    let bytes = vec![logits.bytes(), teacher, copies, logits.bytes(), rows, rows];
    // Four exponentials, each about ten operations.
    Ok(Plan::new(&KERNEL, &params, Grid::Items(lanes), bytes).costing(54 * logits.bytes() / 4))
}
