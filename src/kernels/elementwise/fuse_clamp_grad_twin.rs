//! Twin of `shaders/elementwise/fuse_clamp_grad.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise::{self, fuse_clamp_twin::exact_pair},
        twin::{Case, Data, Random, Want, nan_padded},
    },
    shape::Nhwc,
};

/// dy where the sum is within its limits, which count as within.
#[must_use]
pub fn fuse_clamp_grad(dy: f32, x: f32, g: f32) -> f64 {
    let sum = f64::from(x) + f64::from(g);
    if (-1.0..=1.0).contains(&sum) { f64::from(dy) } else { 0.0 }
}

fn case(shape: Nhwc, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    // Sums that need no rounding: no element can fall on the other side of a limit.
    let (x, g) = exact_pair(random, len);
    let dy = random.floats(len);
    let sums = x.iter().zip(&g);
    let dg = dy.iter().zip(sums).map(|(&dy, (&x, &g))| fuse_clamp_grad(dy, x, g));
    let dg: Vec<f64> = dg.collect();
    Ok(Case {
        label: shape.to_string(),
        plan: elementwise::fuse_clamp_grad::plan(shape)?,
        data: vec![
            Data::input(&nan_padded(&dy, shape.c)),
            Data::input(&nan_padded(&x, shape.c)),
            Data::input(&nan_padded(&g, shape.c)),
            Data::Output(Want::channels(&dg, shape, |_| 0.0)),
        ],
    })
}

/// Cases of [`elementwise::fuse_clamp_grad`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let shapes = [
        Nhwc::new(1, 1, 1, 1),
        Nhwc::new(2, 3, 5, 3),
        Nhwc::new(1, 7, 9, 10),
        Nhwc::new(3, 8, 8, 64),
    ];
    shapes.into_iter().map(|shape| case(shape, &mut Random::new(13))).collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    case(random.images(20_000), random)
}
