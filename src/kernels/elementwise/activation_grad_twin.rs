//! Twin of `shaders/elementwise/activation_grad.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise::{self, activation::Activation},
        twin::{Case, Data, Random, Want, nan_padded, numbers::activate_back},
    },
    shape::Nhwc,
};

/// The gradient of one value, from the output `y`.
#[must_use]
pub fn activation_grad(dy: f32, y: f32, act: Activation) -> f64 {
    activate_back(act, f64::from(dy), f64::from(y))
}

fn case(shape: Nhwc, act: Activation, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    let dy = random.floats(len);
    let mut y = random.floats(len);
    // Where ReLU has cut off, and where tanh has saturated.
    for (y, value) in y.iter_mut().skip(1).step_by(3).zip([0.0, -0.0, 1.0, -1.0]) {
        *y = value;
    }
    let pairs = || dy.iter().zip(&y);
    let dx: Vec<f64> = pairs().map(|(&dy, &y)| activation_grad(dy, y, act)).collect();
    // y^2 and 1 - y^2 round numbers of at most 1, the product one of at most dy.
    let exact = act != Activation::Tanh;
    let bound = |dy: f32| f64::from(dy.abs()) * 3.0 * f64::from(f32::EPSILON);
    let bounds: Vec<f64> = dy.iter().map(|&dy| if exact { 0.0 } else { bound(dy) }).collect();
    Ok(Case {
        label: format!("{act:?} {shape}"),
        plan: elementwise::activation_grad::plan(shape, act)?,
        data: vec![
            Data::input(&nan_padded(&dy, shape.c)),
            Data::input(&nan_padded(&y, shape.c)),
            Data::Output(Want::channels_bounded(&dx, &bounds, shape)),
        ],
    })
}

/// Cases of [`elementwise::activation_grad`].
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
        for act in [Activation::None, Activation::Relu, Activation::Tanh] {
            cases.push(case(shape, act, &mut Random::new(3))?);
        }
    }
    Ok(cases)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let act = random.of(&[Activation::None, Activation::Relu, Activation::Tanh]);
    case(random.images(20_000), act, random)
}
