//! Scale of a tensor for symmetric quantisation, `shaders/reduce/absmax.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        quantise::quantize::{self, StoredTensorParams},
        twin::{Case, Data, Random, Suite, Want, suite},
    },
};

crate::kernel! {
    KERNEL: "reduce" / "absmax", StoredTensorParams,
    lib: ["lib/grid", "lib/stored_tensor"],
    bindings: [("parameters", Read), ("scales", ReadWrite)],
}

/// Most weights. 65,535 turns of the outer loop with the smallest workgroup would reach further, but
/// indices past the end must fit 32 bits too.
const MOST: u64 = 1 << 31;

/// `scales[index] = max|w| / (2^(bits - 1) - 1)` over `parameters[offset..offset + len]`.
///
/// No other scale is touched.
///
/// # Errors
/// The tensor is empty, not inside the arena or longer than 2^31 weights; there is no such scale; or
/// weights do not have 2 to 8 bits.
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
    let params = StoredTensorParams { offset, len, index, bits };
    Ok(Plan::new(&KERNEL, &params, DispatchGrid::Groups(1), bytes.to_vec()).costing(len.into()))
}

/// The scale: the largest magnitude divided by the largest quantised value.
fn absmax(w: &[f32], bits: u32) -> f64 {
    // `f64::max` drops a NaN.
    let larger = |m: f64, w: f64| if m >= w || m.is_nan() { m } else { w };
    let most = w.iter().fold(0f64, |m, &w| larger(m, f64::from(w).abs()));
    most / (f64::from(1 << (bits - 1)) - 1.0)
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    // (number of weights, index of the largest, bits): a single weight, edges of tiles, the last of
    // many turns.
    let tensors = [
        (1, 0, 8),
        (3, 1, 2),
        (64, 63, 3),
        (65, 64, 4),
        (513, 512, 8),
        (2_047, 1_500, 5),
        (2_049, 2_048, 8),
        (9_001, 0, 7),
        (9_001, 9_000, 6),
        (600_001, 600_000, 8), // past the first turn of the outer loop
        (600_001, 262_143, 8),
    ];
    for (i, (len, at, bits)) in (0..).zip(tensors) {
        let largest = if i % 2 == 0 { -3.7 } else { 1.000_1 };
        cases.push(with_largest(len, at, largest, bits, &mut Random::new(i))?);
    }
    cases.push(case("zeros", &[0.0, -0.0, 0.0, 0.0, 0.0], 8)?);
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    let len = random.length(20_000);
    let at = random.below(len) as usize;
    let largest = random.of(&[-3.7, 1.000_1, 2.0]);
    with_largest(len as usize, at, largest, random.between(2, 8), random)
}

fn with_largest(
    len: usize,
    at: usize,
    largest: f32,
    bits: u32,
    random: &mut Random,
) -> Result<Case> {
    let mut w = random.floats(len);
    w[at] = largest;
    case(&format!("len={len} largest at {at} bits={bits}"), &w, bits)
}

/// One tensor inside an arena whose other parameters are NaN and must not be seen.
fn case(label: &str, w: &[f32], bits: u32) -> Result<Case> {
    let (offset, index) = (3, 1);
    let mut arena = vec![f32::NAN; w.len() + 5];
    arena[offset..offset + w.len()].copy_from_slice(w);
    let scales = [-1.0f32, f32::NAN, 7.5];
    let scale = absmax(w, bits);
    // WGSL's division is off by at most 2.5 ULP, and an ULP is at most EPSILON of the value.
    let bound = 2.5 * f64::from(f32::EPSILON) * scale;
    let want = Want::bounded(vec![-1.0, scale, 7.5], vec![0.0, bound, 0.0]);
    Ok(Case {
        label: label.to_owned(),
        plan: plan(offset as u32, w.len() as u32, arena.len() as u32, index, 3, bits)?,
        data: vec![Data::input(&arena), Data::in_out(&scales, want)],
    })
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];

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
