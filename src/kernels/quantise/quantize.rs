//! Symmetric quantisation to packed words, `shaders/quantise/quantize.wgsl`.

use crate::{
    error::{Error, Result},
    fault::check_bits,
    kernels::plan::{Grid, Plan},
};

crate::params! {
    /// Uniform block of `shaders/quantise/quantize.wgsl`.
    pub struct QuantizeParams {
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
    "quantise" / "quantize", QuantizeParams,
    lib: ["lib/grid"],
    bindings: [("parameters", Read), ("scales", Read), ("packed", ReadWrite)],
}

/// Quantises `parameters[offset..offset + len]` with `scales[index]` into `ceil(len / 4)` words, as
/// [`crate::fault::Quantized`] holds them; a quotient within 3 ULP of a tie may go either way.
///
/// # Errors
/// The tensor is empty or not inside the arena; no such scale; not 2 to 8 bits.
pub fn plan(
    offset: u32,
    len: u32,
    parameters_len: u32,
    index: u32,
    scales_len: u32,
    bits: u32,
) -> Result<Plan> {
    let [parameters, scales] = check(offset, len, parameters_len, index, scales_len, bits)?;
    let words = u64::from(len.div_ceil(4));
    let params = QuantizeParams { offset, len, index, bits };
    let bytes = vec![parameters, scales, 4 * words];
    Ok(Plan::new(&KERNEL, &params, Grid::Items(words), bytes).costing(len.into()))
}

/// Checks a tensor of the arena and its place among the scales; the bytes of both.
pub(crate) fn check(
    offset: u32,
    len: u32,
    parameters_len: u32,
    index: u32,
    scales_len: u32,
    bits: u32,
) -> Result<[u64; 2]> {
    check_bits(bits)?;
    let end = u64::from(offset) + u64::from(len);
    if len == 0 || end > u64::from(parameters_len) {
        return Err(Error::Shape(format!(
            "a tensor at [{offset}, {end}) is empty or not within {parameters_len} parameters"
        )));
    }
    check_scale(index, scales_len)?;
    Ok([4 * u64::from(parameters_len), 4 * u64::from(scales_len)])
}

/// Checks the index of a scale.
pub(crate) fn check_scale(index: u32, scales_len: u32) -> Result<()> {
    if index < scales_len {
        return Ok(());
    }
    Err(Error::Shape(format!("scale {index} is not one of {scales_len} scales")))
}
