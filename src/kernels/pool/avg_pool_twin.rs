//! Twin of `shaders/pool/avg_pool.wgsl`.

use crate::{
    error::Result,
    kernels::{
        pool::{self, max_pool_twin},
        twin::{Case, Data, Random, Want, at, elements, nan_padded},
    },
    shape::{Nhwc, Window},
};

/// The mean of each window of x, zeros of the padding included.
#[must_use]
pub fn avg_pool(x: &[f32], shape: Nhwc, window: Window, y: Nhwc) -> Vec<f64> {
    let [rows, columns] = window.kernel;
    let mean = |[n, i, j, c]: [u32; 4]| {
        let mut sum = 0.0;
        for r in 0..rows {
            for s in 0..columns {
                // An index left of the padding wraps around and lies outside as well.
                let row = (i * window.stride + r).wrapping_sub(window.padding);
                let column = (j * window.stride + s).wrapping_sub(window.padding);
                if row < shape.h && column < shape.w {
                    sum += f64::from(x[at(shape, [n, row, column, c])]);
                }
            }
        }
        sum / f64::from(rows * columns)
    };
    elements(y).map(mean).collect()
}

/// Bounds for a kernel that sums at most `R S` terms and scales the sum, from the twin's result on
/// absolute values: the additions, the rounding of `1 / (R S)` and the product. Exact where the
/// inputs are whole numbers and `R S` is a power of two.
pub(crate) fn bounds(absolute: &[f64], window: Window, whole: bool) -> Vec<f64> {
    let taps = window.kernel[0] * window.kernel[1];
    let exact = whole && taps.is_power_of_two();
    let eps = if exact { 0.0 } else { f64::from(taps + 2) * f64::from(f32::EPSILON) };
    absolute.iter().map(|sum| eps * sum).collect()
}

fn case(shape: Nhwc, window: Window, whole: bool, random: &mut Random) -> Result<Case> {
    let y = pool::avg_pool::output(shape, window)?;
    let len = (shape.pixels() * shape.c) as usize;
    let x = if whole { random.integers(len, 99) } else { random.floats(len) };
    let absolute: Vec<f32> = x.iter().map(|x| x.abs()).collect();
    let bounds = bounds(&avg_pool(&absolute, shape, window, y), window, whole);
    let means = avg_pool(&x, shape, window, y);
    Ok(Case {
        label: format!("{shape} by {window}{}", if whole { ", whole numbers" } else { "" }),
        plan: pool::avg_pool::plan(shape, window)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::Output(Want::channels_bounded(&means, &bounds, y)),
        ],
    })
}

/// Cases of [`pool::avg_pool`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (shape, window) in max_pool_twin::pools() {
        for whole in [false, true] {
            cases.push(case(shape, window, whole, &mut Random::new(6))?);
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
