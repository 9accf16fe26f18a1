//! Twin of `shaders/norm/batch_norm_apply.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise::activation::Activation,
        norm,
        twin::{
            Case, Data, Random, Want, nan_padded,
            numbers::{EPS, activate, wide},
        },
    },
    shape::Nhwc,
};

/// `act((x - mean) inv_std gamma + beta)` for x `[pixels, c]` and stats `[2, c]`.
#[must_use]
pub fn apply(x: &[f64], stats: &[f64], gamma: &[f64], beta: &[f64], act: Activation) -> Vec<f64> {
    let c = gamma.len();
    let z =
        |(i, x): (usize, &f64)| (x - stats[i % c]) * stats[c + i % c] * gamma[i % c] + beta[i % c];
    x.iter().enumerate().map(|v| activate(act, z(v))).collect()
}

/// Four roundings of the two terms of z (and, with a variance, two ulp of the root and one of its
/// argument); no activation is steeper than 1. tanh is `1 - 2 / (exp(2 z) + 1)`: WGSL's exponential
/// may be off by 3 + 2 |2 z| ulp, of which a half arrives, the division by 2.5 of up to 2.
fn bound(z: [f64; 2], act: Activation, extra: f64) -> f64 {
    let tanh =
        if act == Activation::Tanh { 8.0 + 2.0 * (z[0] + z[1]).abs().min(15.0) } else { 0.0 };
    EPS * ((4.0 + extra) * (z[0].abs() + z[1].abs()) + tanh)
}

/// A flat buffer of NaN with gamma at `offsets[0]` and beta at `offsets[1]`: reading elsewhere
/// shows.
pub(crate) fn arena(gamma: &[f32], beta: &[f32], offsets: [u32; 2], len: u32) -> Vec<f32> {
    let mut all = vec![f32::NAN; len as usize];
    for (values, at) in [gamma, beta].into_iter().zip(offsets) {
        all[at as usize..at as usize + values.len()].copy_from_slice(values);
    }
    all
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Floats,
    Running,
    Integers,
}

fn case(shape: Nhwc, act: Activation, kind: Kind, random: &mut Random) -> Result<Case> {
    let (c, eps) = (shape.c as usize, 1e-5f32);
    let len = shape.pixels() as usize * c;
    let offsets = [3, 5 + shape.c];
    let total = offsets[1] + shape.c + 2;
    let (x, mean, scale, gamma, beta) = if kind == Kind::Integers {
        let powers = random.integers(c, 2).iter().map(|v| v.exp2()).collect();
        let mut whole = |len: usize| random.integers(len, 9);
        (whole(len), whole(c), powers, whole(c), whole(c))
    } else {
        let scale: Vec<f32> = random.floats(c).iter().map(|v| (v + 1.5).abs()).collect();
        let mut any = |len: usize| random.floats(len);
        let x = any(len).iter().map(|v| 4.0 * v).collect();
        (x, any(c), scale, any(c), any(c))
    };
    let stats: Vec<f32> = [mean, scale].concat();
    let mut exact = wide(&stats);
    let mut plan = norm::batch_norm_apply::plan(shape, act, offsets[0], offsets[1], total)?;
    if kind == Kind::Running {
        plan =
            norm::batch_norm_apply::plan_running(shape, act, offsets[0], offsets[1], total, eps)?;
        exact[c..].iter_mut().for_each(|v| *v = 1.0 / (*v + f64::from(eps)).sqrt());
    }
    let (wide_x, g, b) = (wide(&x), wide(&gamma), wide(&beta));
    let y = apply(&wide_x, &exact, &g, &b, act);
    let extra = if kind == Kind::Running { 3.0 } else { 0.0 };
    let bound = |(i, x): (usize, &f64)| {
        let i = i % c;
        bound([(x - exact[i]) * exact[c + i] * g[i], b[i]], act, extra)
    };
    let bounds: Vec<f64> = match kind {
        Kind::Integers => vec![0.0; len],
        _ => wide_x.iter().enumerate().map(bound).collect(),
    };
    let mode = ["", " running", " integers"][kind as usize];
    Ok(Case {
        label: format!("{shape} {act:?}{mode}"),
        plan,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::input(&nan_padded(&stats, shape.c)),
            Data::input(&arena(&gamma, &beta, offsets, total)),
            Data::Output(Want::channels_bounded(&y, &bounds, shape)),
        ],
    })
}

/// Cases of [`norm::batch_norm_apply`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(4);
    let shapes = [
        (Nhwc::new(1, 1, 1, 1), Activation::None, Kind::Floats),
        (Nhwc::new(2, 3, 5, 3), Activation::Relu, Kind::Floats),
        (Nhwc::new(1, 9, 7, 10), Activation::Tanh, Kind::Floats),
        (Nhwc::new(2, 5, 5, 6), Activation::Relu, Kind::Running),
        (Nhwc::new(3, 5, 7, 33), Activation::Relu, Kind::Integers),
    ];
    shapes.into_iter().map(|(shape, act, kind)| case(shape, act, kind, &mut random)).collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let shape = random.images(20_000);
    let kind = random.of(&[Kind::Floats, Kind::Running, Kind::Integers]);
    // Integers are exact where no tanh follows.
    let acts = [Activation::None, Activation::Relu, Activation::Tanh];
    let act = random.of(if kind == Kind::Integers { &acts[..2] } else { &acts });
    case(shape, act, kind, random)
}
