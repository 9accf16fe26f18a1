//! Twin of `shaders/elementwise/fuse_clamp.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise,
        twin::{Case, Data, Random, Want, nan_padded},
    },
    shape::Nhwc,
};

/// `clamp(x + g, -1, 1)`.
#[must_use]
pub fn fuse_clamp(x: f32, g: f32) -> f64 {
    (f64::from(x) + f64::from(g)).clamp(-1.0, 1.0)
}

/// Images and perturbations whose sums are exact in f32: multiples of 1/64, many of them exactly
/// at a limit.
pub(crate) fn exact_pair(random: &mut Random, len: usize) -> (Vec<f32>, Vec<f32>) {
    let mut steps = || random.integers(len, 64).iter().map(|i| i / 64.0).collect();
    let (x, mut g): (Vec<f32>, Vec<f32>) = (steps(), steps());
    for (i, (x, g)) in x.iter().zip(&mut g).enumerate() {
        match i % 4 {
            1 => *g = 1.0 - x,
            2 => *g = -1.0 - x,
            _ => {}
        }
    }
    (x, g)
}

fn case(shape: Nhwc, exact: bool, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    let (x, g) =
        if exact { exact_pair(random, len) } else { (random.floats(len), random.floats(len)) };
    let y: Vec<f64> = x.iter().zip(&g).map(|(&x, &g)| fuse_clamp(x, g)).collect();
    // One rounding of the sum; the clamp adds none.
    let eps = if exact { 0.0 } else { f64::from(f32::EPSILON) };
    Ok(Case {
        label: format!("{shape}{}", if exact { ", exact" } else { "" }),
        plan: elementwise::fuse_clamp::plan(shape)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::input(&nan_padded(&g, shape.c)),
            Data::Output(Want::channels(&y, shape, |y| eps * y.abs())),
        ],
    })
}

/// Cases of [`elementwise::fuse_clamp`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for shape in [
        Nhwc::new(1, 1, 1, 1),
        Nhwc::new(2, 3, 5, 3),
        Nhwc::new(1, 7, 9, 10),
        Nhwc::new(3, 8, 8, 64),
    ] {
        for exact in [false, true] {
            cases.push(case(shape, exact, &mut Random::new(12))?);
        }
    }
    Ok(cases)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    case(random.images(20_000), random.flag(), random)
}
