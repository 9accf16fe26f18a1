//! Symmetric quantisation to packed words, `shaders/quantise/quantize.wgsl`.

use crate::{
    error::{Error, Result},
    fault::check_bits,
    kernels::{
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, suite},
    },
};

crate::params! {
    /// Uniform block of `shaders/lib/stored_tensor.wgsl`.
    pub struct StoredTensorParams {
        /// Index of the tensor's first weight in `parameters`.
        offset: u32,
        /// Number of weights.
        len: u32,
        /// Index of the tensor among the scales.
        index: u32,
        /// Bits per weight, 2 to 8.
        bits: u32,
    }
}

crate::kernel! {
    KERNEL: "quantise" / "quantize", StoredTensorParams,
    lib: ["lib/grid", "lib/stored_tensor"],
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
    let params = StoredTensorParams { offset, len, index, bits };
    let bytes = vec![parameters, scales, 4 * words];
    Ok(Plan::new(&KERNEL, &params, DispatchGrid::Items(words), bytes).costing(len.into()))
}

/// Checks a tensor of the arena and its index among the scales; returns the bytes of both buffers.
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

/// Largest quantised value: `2^(bits - 1) - 1`.
fn most(bits: u32) -> f64 {
    f64::from(1 << (bits - 1)) - 1.0
}

/// Four weights to a word, each the low `bits` bits of its byte; bytes past the end are 0.
fn quantize(w: &[f32], scale: f32, bits: u32) -> Vec<u32> {
    let byte = |w: f32| {
        let q = f64::from(w) / f64::from(scale);
        let q = if scale == 0.0 || !scale.is_finite() {
            0.0
        } else {
            q.round_ties_even().clamp(-most(bits), most(bits))
        };
        (q as i32).cast_unsigned() & ((1 << bits) - 1)
    };
    w.chunks(4).map(|four| four.iter().rev().fold(0, |word, &w| word << 8 | byte(w))).collect()
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (i, (len, bits)) in
        (0..).zip([(1, 8), (2, 7), (3, 6), (4, 2), (5, 3), (255, 4), (1_021, 5), (1_030, 8)])
    {
        cases.push(between_steps(len, bits, &mut Random::new(i))?);
    }
    for scale in [f32::NAN, f32::INFINITY] {
        let w = [1.0, f32::NAN, -2.0, 0.0, f32::INFINITY, f32::NEG_INFINITY];
        cases.push(case(&format!("scale {scale}"), &w, scale, 8)?);
    }
    for bits in 2..=8 {
        // Multiples of half a step, up to values beyond the range. The scale is a power of two:
        // quotients are exact.
        let half_steps = 2 * most(bits) as i32 + 6;
        let w: Vec<f32> = (-half_steps..=half_steps).map(|q| q as f32 / 2.0 * 0.125).collect();
        cases.push(case(&format!("ties bits={bits}"), &w, 0.125, bits)?);
    }
    cases.push(case("zeros", &[0.0; 7], 0.0, 8)?);
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    let len = random.length(8_000);
    between_steps(len as usize, random.between(2, 8), random)
}

/// Random weights that every division within WGSL's error rounds to the same step.
fn between_steps(len: usize, bits: u32, random: &mut Random) -> Result<Case> {
    let scale = (1.0 / most(bits)) as f32;
    // WGSL's division may round a weight within 3 ULP of a tie either way: such a weight is set to
    // 0.
    let w: Vec<f32> = (0..len)
        .map(|_| {
            let w = random.float();
            let x = f64::from(w / scale);
            let tie = (x - x.floor() - 0.5).abs();
            if tie < 4.0 * f64::from(f32::EPSILON) * x.abs() { 0.0 } else { w }
        })
        .collect();
    case(&format!("len={len} bits={bits}"), &w, scale, bits)
}

/// One tensor inside an arena whose other parameters, and the other scales, are NaN.
fn case(label: &str, w: &[f32], scale: f32, bits: u32) -> Result<Case> {
    let (offset, len) = (5, w.len());
    let mut arena = vec![f32::NAN; len + 9];
    arena[offset..offset + len].copy_from_slice(w);
    Ok(Case {
        label: label.to_owned(),
        plan: plan(offset as u32, len as u32, arena.len() as u32, 2, 4, bits)?,
        data: vec![
            Data::input(&arena),
            Data::input(&[f32::NAN, f32::NAN, scale, f32::NAN]),
            Data::Output(Want::words(quantize(w, scale, bits))),
        ],
    })
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
