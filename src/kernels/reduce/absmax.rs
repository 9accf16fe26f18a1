//! Scale of a tensor for symmetric quantisation, `shaders/reduce/absmax.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{Grid, Plan},
        quantise::quantize,
    },
};

crate::params! {
    /// Uniform block of `shaders/reduce/absmax.wgsl`.
    pub struct AbsmaxParams {
        /// First weight in the arena.
        offset: u32,
        /// Weights.
        len: u32,
        /// Index of the tensor among the scales.
        index: u32,
        /// Bits per weight, 2 to 8.
        bits: u32,
    }
}

crate::kernel! {
    "reduce" / "absmax", AbsmaxParams,
    lib: ["lib/grid"],
    bindings: [("parameters", Read), ("scales", ReadWrite)],
}

/// Weights at most: 65,535 turns of the outer loop with the smallest workgroup would reach further, but
/// indices past the end must fit 32 bits too.
const MOST: u64 = 1 << 31;

/// `scales[index] = max|w| / (2^(bits - 1) - 1)` over `parameters[offset..offset + len]`.
///
/// No other scale is touched.
///
/// # Errors
/// The tensor is empty, not inside the arena or longer than 2^31 weights; no such scale; not 2 to 8
/// bits.
pub fn plan(
    offset: u32,
    len: u32,
    parameters_len: u32,
    index: u32,
    scales_len: u32,
    bits: u32,
) -> Result<Plan> {
    let bytes = quantize::check(offset, len, parameters_len, index, scales_len, bits)?;
    if u64::from(len) > MOST {
        return Err(Error::Shape(format!("a tensor of {len} weights is longer than {MOST}")));
    }
    let params = AbsmaxParams { offset, len, index, bits };
    Ok(Plan::new(&KERNEL, &params, Grid::Groups(1), bytes.to_vec()).costing(len.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_must_lie_in_the_arena_and_its_scale_among_the_scales() {
        assert!(plan(6, 4, 10, 2, 3, 8).is_ok());
        assert!(plan(7, 4, 10, 2, 3, 8).unwrap_err().to_string().contains("[7, 11)"));
        assert!(plan(u32::MAX, 2, u32::MAX, 0, 1, 8).is_err());
        assert!(plan(0, 0, 10, 0, 1, 8).is_err());
        assert!(plan(0, 4, 10, 3, 3, 8).is_err());
        assert!(plan(0, 4, 10, 0, 3, 9).is_err());
        assert!(plan(0, 1 << 31, u32::MAX, 0, 1, 8).is_ok());
        assert!(plan(0, (1 << 31) + 1, u32::MAX, 0, 1, 8).is_err());
    }
}
