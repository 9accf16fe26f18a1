//! Winograd's weight transforms, `shaders/winograd/winograd*_weights.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{Grid, Plan},
        winograd::{Form, winograd4_weights},
    },
    shape::Rsck,
};

crate::params! {
    /// Uniform block of `shaders/lib/winograd_weights.wgsl`.
    pub struct WinogradWeightsParams {
        /// Input channels, without padding.
        c: u32,
        /// Output channels, without padding.
        k: u32,
        /// Copies.
        copies: u32,
    }
}

crate::kernel! {
    "winograd" / "winograd_weights", WinogradWeightsParams,
    lib: ["lib/grid", "lib/lanes", "lib/panels", "lib/winograd_weights"],
    bindings: [("w", Read), ("u", ReadWrite)],
}

/// Bytes of the transformed weights.
#[must_use]
pub fn bytes(w: Rsck, form: Form, copies: u32) -> u64 {
    Rsck { r: form.side(), s: form.side(), ..w }.bytes() * u64::from(copies)
}

/// Transforms `copies` sets of 3x3 weights, with both axes reversed if `flip`; bindings w, u.
///
/// # Errors
/// Other kernels than 3x3, or indices past 32 bits.
pub fn plan(w: Rsck, form: Form, copies: u32, flip: bool) -> Result<Plan> {
    let large = bytes(w, form, copies) > u64::from(u32::MAX) * 16;
    if [w.r, w.s] != [3, 3] || w.c * w.k * copies == 0 || large {
        return Err(Error::Shape(format!("{copies} copies of {w} have no Winograd form")));
    }
    let params = WinogradWeightsParams { c: w.c, k: w.k, copies };
    let items = u64::from(w.c.next_multiple_of(4)) * u64::from(w.k.div_ceil(4)) * u64::from(copies);
    let of_copies = w.bytes() * u64::from(copies);
    let kernel = match form {
        Form::F2 => &KERNEL,
        Form::F4 => &winograd4_weights::KERNEL,
    };
    let bytes = vec![of_copies, bytes(w, form, copies)];
    let plan = Plan::new(kernel, &params, Grid::Items(items), bytes);
    Ok(plan.with("FLIP", f64::from(u8::from(flip))))
}
