//! Search for the first value that is infinite or NaN, `shaders/reduce/non_finite.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, suite},
    },
};

crate::params! {
    /// Uniform block of `shaders/reduce/non_finite.wgsl`.
    pub struct NonFiniteParams {
        /// Number of values.
        len: u32,
        /// Index of the answer in `found`.
        slot: u32,
    }
}

crate::kernel! {
    KERNEL: "reduce" / "non_finite", NonFiniteParams,
    lib: ["lib/grid", "lib/each"],
    bindings: [("values", Read), ("found", ReadWrite)],
}

/// The answer if all values are finite; the host writes it into every slot first.
pub const NONE: u32 = u32::MAX;

/// Lowers `found[slot]` to the index of the first of `len` values that is not finite.
///
/// Bindings: values f32 `[len]`; found u32 `[slots]`, [`NONE`] where nothing was found.
pub fn plan(len: u32, slot: u32, slots: u32) -> Result<Plan> {
    if len == 0 || slot >= slots {
        return Err(Error::Shape(format!("{len} values to look at for answer {slot} of {slots}")));
    }
    let bytes = vec![u64::from(len) * 4, u64::from(slots) * 4];
    Ok(Plan::new(&KERNEL, &NonFiniteParams { len, slot }, DispatchGrid::Items(len.into()), bytes)
        .costing(len.into()))
}

/// Index of the first value that is not finite.
fn first(values: &[f32]) -> Option<usize> {
    values.iter().position(|v| !v.is_finite())
}

fn cases() -> Result<Vec<Case>> {
    let negative = f32::from_bits(0xffc0_0001);
    let mut cases = Vec::new();
    for (len, bad) in [
        (1, vec![]),
        (1, vec![(0, f32::NAN)]),
        (3, vec![(2, f32::INFINITY)]),
        (64, vec![(63, f32::NEG_INFINITY)]),
        (257, vec![(256, negative), (255, f32::from_bits(0x7f80_0001))]),
        (1000, vec![]),
        (1000, vec![(999, f32::NAN), (17, f32::INFINITY), (600, f32::NAN)]),
    ] {
        let mut values = Random::new(len).floats(len as usize);
        for (i, edge) in [f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-40, -0.0].iter().enumerate() {
            if let Some(value) = values.get_mut(i * 7) {
                *value = *edge;
            }
        }
        for &(at, value) in &bad {
            values[at] = value;
        }
        for before in [NONE, 5] {
            let found = first(&values).map_or(NONE, |i| i as u32).min(before);
            let after = Want::words(vec![77, found, 88]);
            cases.push(Case {
                label: format!("len={len} {} not finite, before {before}", bad.len()),
                plan: plan(len, 1, 3)?,
                data: vec![Data::input(&values), Data::in_out(&[77u32, before, 88], after)],
            });
        }
    }
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    let len = random.length(700);
    let mut values = random.floats(len as usize);
    for value in &mut values {
        if random.below(100) == 0 {
            *value = f32::NAN;
        }
    }
    let found = first(&values).map_or(NONE, |i| i as u32);
    Ok(Case {
        label: format!("len={len} random"),
        plan: plan(len, 0, 1)?,
        data: vec![Data::input(&values), Data::in_out(&[NONE], Want::words(vec![found]))],
    })
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_needs_values_and_a_slot() {
        assert!(plan(1, 2, 3).is_ok());
        assert!(plan(0, 0, 1).is_err() && plan(1, 3, 3).is_err());
    }
}
