//! Twin of `shaders/elementwise/add.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise,
        twin::{Case, Data, Random, Want, nan_padded},
    },
    shape::Nhwc,
};

/// `y = a + b`, one rounding.
fn add(a: &[f32], b: &[f32]) -> Vec<f64> {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) + f64::from(b)).collect()
}

fn case(shape: Nhwc, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    let (a, b) = (random.floats(len), random.floats(len));
    // The sum of two f32 is rounded once: at most half an ulp, on any adapter.
    let want = Want::channels(&add(&a, &b), shape, |y| y.abs() * f64::from(f32::EPSILON));
    Ok(Case {
        label: shape.to_string(),
        plan: elementwise::add::plan(shape)?,
        data: vec![
            Data::input(&nan_padded(&a, shape.c)),
            Data::input(&nan_padded(&b, shape.c)),
            Data::Output(want),
        ],
    })
}

/// Cases of [`elementwise::add`].
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
    shapes.into_iter().map(|shape| case(shape, &mut Random::new(1))).collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    case(random.images(20_000), random)
}
