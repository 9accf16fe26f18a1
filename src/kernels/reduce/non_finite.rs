//! The first value that is infinite or no number, `shaders/reduce/non_finite.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::plan::{Grid, Plan},
};

crate::params! {
    /// Uniform block of `shaders/reduce/non_finite.wgsl`.
    pub struct NonFiniteParams {
        /// Values.
        len: u32,
        /// Where their answer goes.
        slot: u32,
    }
}

crate::kernel! {
    "reduce" / "non_finite", NonFiniteParams,
    lib: ["lib/grid"],
    bindings: [("values", Read), ("found", ReadWrite)],
}

/// An answer that found nothing: what the host writes before.
pub const NONE: u32 = u32::MAX;

/// Lowers `found[slot]` to the index of the first of `len` values that is not finite.
///
/// Bindings: values f32 `[len]`; found u32 `[slots]`, [`NONE`] where nothing was found.
///
/// # Errors
/// No values, or no such slot.
pub fn plan(len: u32, slot: u32, slots: u32) -> Result<Plan> {
    if len == 0 || slot >= slots {
        return Err(Error::Shape(format!("{len} values to look at for answer {slot} of {slots}")));
    }
    let bytes = vec![u64::from(len) * 4, u64::from(slots) * 4];
    Ok(Plan::new(&KERNEL, &NonFiniteParams { len, slot }, Grid::Items(len.into()), bytes)
        .costing(len.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_needs_values_and_a_slot() {
        assert!(plan(1, 2, 3).is_ok());
        assert!(plan(0, 0, 1).is_err() && plan(1, 3, 3).is_err());
    }
}
