//! Twin of `shaders/norm/batch_norm_grad.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise::activation::Activation,
        norm::{
            self,
            batch_norm_apply_twin::arena,
            batch_norm_grad_sums_twin::{Operands, inputs},
        },
        twin::{
            Case, Data, Random, Want, nan_padded,
            numbers::{EPS, scaled, slope_error, wide},
        },
    },
    shape::Nhwc,
};

/// `gamma inv_std (dz - sum dz / n - xhat sum dz xhat / n)` with sums `[2, c]` over n pixels.
#[must_use]
pub fn grad(of: &Operands<'_>, sums: &[f64], gamma: &[f64]) -> Vec<f64> {
    each(of, sums, gamma, |dz, mean, slant, _| dz - mean - slant)
}

/// Ten roundings (two of them divisions) of each of the three terms, and the slope's own error.
fn bounds(of: &Operands<'_>, sums: &[f64], gamma: &[f64]) -> Vec<f64> {
    let error = |dz: f64, mean: f64, slant: f64, dy: f64| {
        10.0 * EPS * (dz.abs() + mean.abs() + slant.abs()) + scaled(slope_error(of.act), dy.abs())
    };
    each(of, sums, gamma, error).iter().map(|b| b.abs()).collect()
}

fn each(
    of: &Operands<'_>,
    sums: &[f64],
    gamma: &[f64],
    combine: impl Fn(f64, f64, f64, f64) -> f64,
) -> Vec<f64> {
    let c = of.c();
    let n = (of.dy.len() / c) as f64;
    let element = |i: usize| {
        let channel = i % c;
        let (mean, slant) = (sums[channel] / n, of.xhat(i) * sums[c + channel] / n);
        gamma[channel] * of.stats[c + channel] * combine(of.dz(i), mean, slant, of.dy[i])
    };
    (0..of.dy.len()).map(element).collect()
}

fn case(shape: Nhwc, act: Activation, whole: bool, random: &mut Random) -> Result<Case> {
    let c = shape.c as usize;
    let [dy, y, x, stats] = inputs(shape, whole, random);
    let (gamma, sums): (Vec<f32>, Vec<f32>) = if whole {
        // Sums that the pixels divide.
        let sums = random.integers(2 * c, 4).iter().map(|v| v * shape.pixels() as f32).collect();
        (random.integers(c, 9), sums)
    } else {
        (random.floats(c), random.floats(2 * c).iter().map(|v| v * 20.0).collect())
    };
    let [wdy, wy, wx, wstats, wsums, wgamma] =
        [&dy, &y, &x, &stats, &sums, &gamma].map(|v| wide(v));
    let of = Operands { dy: &wdy, y: &wy, x: &wx, stats: &wstats, act };
    let dx = grad(&of, &wsums, &wgamma);
    let mut bounds = bounds(&of, &wsums, &wgamma);
    if whole {
        bounds.fill(0.0);
    }
    let mut data: Vec<Data> =
        [dy, y, x, stats, sums].iter().map(|v| Data::input(&nan_padded(v, shape.c))).collect();
    let total = shape.c + 9;
    data.push(Data::input(&arena(&gamma, &[], [7, 0], total)));
    data.push(Data::Output(Want::channels_bounded(&dx, &bounds, shape)));
    Ok(Case {
        label: format!("{shape} {act:?}{}", if whole { " integers" } else { "" }),
        plan: norm::batch_norm_grad::plan(shape, shape.pixels(), act, 7, total)?,
        data,
    })
}

/// Cases of [`norm::batch_norm_grad`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(7);
    let shapes = [
        (Nhwc::new(1, 1, 2, 1), Activation::None, false),
        (Nhwc::new(2, 3, 5, 3), Activation::Relu, false),
        (Nhwc::new(1, 9, 7, 10), Activation::Tanh, false),
        (Nhwc::new(4, 4, 4, 33), Activation::Relu, true),
    ];
    shapes.into_iter().map(|(shape, act, whole)| case(shape, act, whole, &mut random)).collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let act = random.of(&[Activation::None, Activation::Relu, Activation::Tanh]);
    case(random.images(20_000), act, false, random)
}
