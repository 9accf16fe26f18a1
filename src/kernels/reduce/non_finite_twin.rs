//! Twin of `shaders/reduce/non_finite.wgsl`.

use crate::{
    error::Result,
    kernels::{
        reduce::{self, non_finite::NONE},
        twin::{Case, Data, Random, Want},
    },
};

/// Index of the first value that is not finite.
fn first(values: &[f32]) -> Option<usize> {
    values.iter().position(|v| !v.is_finite())
}

/// Cases of [`reduce::non_finite`]: every kind of value that is not finite, and those next to them.
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
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
                plan: reduce::non_finite::plan(len, 1, 3)?,
                data: vec![Data::input(&values), Data::in_out(&[77u32, before, 88], after)],
            });
        }
    }
    Ok(cases)
}

/// A case of a random length, with one value in a hundred not finite.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
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
        plan: reduce::non_finite::plan(len, 0, 1)?,
        data: vec![Data::input(&values), Data::in_out(&[NONE], Want::words(vec![found]))],
    })
}
