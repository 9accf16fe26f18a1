//! Twin of `shaders/elementwise/learned_image_grad.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise::{
            self,
            learned_image_twin::{PLACES, draw, planar},
        },
        plan::Accumulate,
        twin::{Case, Data, Random, Want, at, elements, nan_padded, numbers::EPS},
    },
    shape::Nhwc,
};

/// Sums over the batch, `[C, H, W]`: of the values, and of their magnitudes.
#[must_use]
pub fn learned_image_grad(dy: &[f32], shape: Nhwc) -> [Vec<f64>; 2] {
    let len = (shape.c * shape.h * shape.w) as usize;
    let (mut sums, mut magnitudes) = (vec![0.0; len], vec![0.0; len]);
    for element in elements(shape) {
        let v = f64::from(dy[at(shape, element)]);
        sums[planar(shape, element)] += v;
        magnitudes[planar(shape, element)] += v.abs();
    }
    [sums, magnitudes]
}

fn case(
    (shape, offset, len): (Nhwc, u32, u32),
    into: Accumulate,
    whole: bool,
    random: &mut Random,
) -> Result<Case> {
    let elements = (shape.pixels() * shape.c) as usize;
    let mut draw = |len: usize| {
        if whole { random.integers(len, 99) } else { random.floats(len) }
    };
    let (dy, before) = (draw(elements), draw(len as usize));
    let [sums, magnitudes] = learned_image_grad(&dy, shape);
    let mut after: Vec<f64> = before.iter().map(|&v| f64::from(v)).collect();
    let mut bounds = vec![0.0; after.len()];
    for (i, (sum, magnitude)) in sums.iter().zip(&magnitudes).enumerate() {
        let at = offset as usize + i;
        let old = if into == Accumulate::Add { after[at] } else { 0.0 };
        after[at] = old + sum;
        // One rounding per image, of the sum of magnitudes at most.
        let roundings = EPS * (f64::from(shape.n) + 1.0);
        bounds[at] = if whole { 0.0 } else { roundings * (magnitude + old.abs()) };
    }
    Ok(Case {
        label: format!("{shape} at {offset} {into:?}{}", if whole { " integers" } else { "" }),
        plan: elementwise::learned_image_grad::plan(shape, offset, len, into)?,
        data: vec![
            Data::input(&nan_padded(&dy, shape.c)),
            Data::in_out(&before, Want::bounded(after, bounds)),
        ],
    })
}

/// Cases of [`elementwise::learned_image_grad`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(32);
    let mut cases = Vec::new();
    for place in PLACES {
        for (into, whole) in
            [(Accumulate::Replace, false), (Accumulate::Add, false), (Accumulate::Add, true)]
        {
            cases.push(case(place, into, whole, &mut random)?);
        }
    }
    Ok(cases)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let into = random.of(&[Accumulate::Replace, Accumulate::Add]);
    case(draw(random), into, random.flag(), random)
}
