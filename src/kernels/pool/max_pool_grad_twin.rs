//! Twin of `shaders/pool/max_pool_grad.wgsl`.

use crate::{
    error::Result,
    kernels::{
        pool::{self, max_pool_twin},
        twin::{Case, Data, Random, Want, at, elements, nan_padded},
    },
    shape::{Nhwc, Window},
};

/// Adds each dy to the pixel that won; also the sums of absolute values, for bounds.
#[must_use]
pub fn max_pool_grad(
    dy: &[f32],
    taps: &[u32],
    (x, window, y): (Nhwc, Window, Nhwc),
) -> (Vec<f64>, Vec<f64>) {
    let len = (x.pixels() * x.c) as usize;
    let (mut dx, mut absolute) = (vec![0.0; len], vec![0.0; len]);
    for ([n, i, j, c], (&dy, tap)) in elements(y).zip(dy.iter().zip(taps)) {
        let row = i * window.stride + tap / window.kernel[1] - window.padding;
        let column = j * window.stride + tap % window.kernel[1] - window.padding;
        dx[at(x, [n, row, column, c])] += f64::from(dy);
        absolute[at(x, [n, row, column, c])] += f64::from(dy.abs());
    }
    (dx, absolute)
}

fn case(shape: Nhwc, window: Window, whole: bool, random: &mut Random) -> Result<Case> {
    let y = pool::max_pool::output(shape, window)?;
    let x = random.floats((shape.pixels() * shape.c) as usize);
    let (_, taps) = max_pool_twin::max_pool(&x, shape, window, y);
    let len = (y.pixels() * y.c) as usize;
    let dy = if whole { random.integers(len, 99) } else { random.floats(len) };
    let (dx, absolute) = max_pool_grad(&dy, &taps, (shape, window, y));
    // No more terms than taps; whole numbers must be exact.
    let terms = f64::from(window.kernel[0] * window.kernel[1]);
    let eps = if whole { 0.0 } else { terms * f64::from(f32::EPSILON) };
    let bounds: Vec<f64> = absolute.iter().map(|sum| eps * sum).collect();
    Ok(Case {
        label: format!("{shape} by {window}{}", if whole { ", exact" } else { "" }),
        plan: pool::max_pool_grad::plan(shape, window)?,
        data: vec![
            Data::input(&nan_padded(&dy, y.c)),
            Data::input(&max_pool_twin::pack(&taps, y.c)),
            Data::Output(Want::channels_bounded(&dx, &bounds, shape)),
        ],
    })
}

/// Cases of [`pool::max_pool_grad`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (shape, window) in max_pool_twin::pools() {
        for whole in [false, true] {
            cases.push(case(shape, window, whole, &mut Random::new(5))?);
        }
    }
    Ok(cases)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let (shape, window) = max_pool_twin::draw(random);
    case(shape, window, random.flag(), random)
}
