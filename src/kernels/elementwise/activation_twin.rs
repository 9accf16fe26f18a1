//! Twin of `shaders/elementwise/activation.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise::{self, activation::Activation},
        twin::{Case, Data, Random, Want, nan_padded, numbers::activate},
    },
    shape::Nhwc,
};

const EPS: f64 = f32::EPSILON as f64;

/// The activation of one value.
#[must_use]
pub fn activation(x: f32, act: Activation) -> f64 {
    activate(act, f64::from(x))
}

/// Bound on an f32 tanh computed as `1 - 2 / (E + 1)` with `E = exp(2 x)`. WGSL grants exp
/// `3 + 2 |2 x|` ulp, and dy / dE is `(1 - y^2) / 2` relative to E; the sum `E + 1`, the division
/// (2.5 ulp) and the last subtraction round results of the sizes `1 - y` and `y`. The clamp at 15
/// costs 2e-13.
pub(crate) fn tanh_bound(x: f32) -> f64 {
    let x = f64::from(x).clamp(-15.0, 15.0);
    let y = x.tanh();
    EPS * ((1.0 - y * y) / 2.0 * (3.0 + 4.0 * x.abs()) + 3.5 * (1.0 - y) + y.abs() + EPS) + 2e-13
}

fn case(shape: Nhwc, act: Activation, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    let mut x: Vec<f32> = random.floats(len).iter().map(|x| 4.0 * x).collect();
    // Beyond the clamp of tanh, and at the kink of ReLU.
    let special = [0.0, -0.0, 20.0, -20.0, 1e30, -1e30, 1e-20];
    for (x, value) in x.iter_mut().skip(1).step_by(3).zip(special) {
        *x = value;
    }
    let y: Vec<f64> = x.iter().map(|&x| activation(x, act)).collect();
    let bound = |&x| if act == Activation::Tanh { tanh_bound(x) } else { 0.0 };
    let bounds: Vec<f64> = x.iter().map(bound).collect();
    Ok(Case {
        label: format!("{act:?} {shape}"),
        plan: elementwise::activation::plan(shape, act)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::Output(Want::channels_bounded(&y, &bounds, shape)),
        ],
    })
}

/// Cases of [`elementwise::activation`].
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
            cases.push(case(shape, act, &mut Random::new(2))?);
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
