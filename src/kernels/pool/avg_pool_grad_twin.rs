//! Twin of `shaders/pool/avg_pool_grad.wgsl`.

use crate::{
    error::Result,
    kernels::{
        pool::{self, avg_pool_twin, max_pool_twin},
        twin::{Case, Data, Random, Want, at, elements, nan_padded},
    },
    shape::{Nhwc, Window},
};

/// Shares each dy among the pixels of its window; what falls on the padding is lost.
#[must_use]
pub fn avg_pool_grad(dy: &[f32], x: Nhwc, window: Window, y: Nhwc) -> Vec<f64> {
    let [rows, columns] = window.kernel;
    let mut dx = vec![0.0; (x.pixels() * x.c) as usize];
    for ([n, i, j, c], &dy) in elements(y).zip(dy) {
        let [top, left] = [i * window.stride, j * window.stride];
        for row in top.max(window.padding)..(top + rows).min(x.h + window.padding) {
            for column in left.max(window.padding)..(left + columns).min(x.w + window.padding) {
                let pixel = [n, row - window.padding, column - window.padding, c];
                dx[at(x, pixel)] += f64::from(dy) / f64::from(rows * columns);
            }
        }
    }
    dx
}

fn case(shape: Nhwc, window: Window, whole: bool, random: &mut Random) -> Result<Case> {
    let y = pool::avg_pool::output(shape, window)?;
    let len = (y.pixels() * y.c) as usize;
    let dy = if whole { random.integers(len, 99) } else { random.floats(len) };
    let absolute: Vec<f32> = dy.iter().map(|dy| dy.abs()).collect();
    let absolute = avg_pool_grad(&absolute, shape, window, y);
    let bounds = avg_pool_twin::bounds(&absolute, window, whole);
    let dx = avg_pool_grad(&dy, shape, window, y);
    Ok(Case {
        label: format!("{shape} by {window}{}", if whole { ", whole numbers" } else { "" }),
        plan: pool::avg_pool_grad::plan(shape, window)?,
        data: vec![
            Data::input(&nan_padded(&dy, y.c)),
            Data::Output(Want::channels_bounded(&dx, &bounds, shape)),
        ],
    })
}

/// Cases of [`pool::avg_pool_grad`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (shape, window) in max_pool_twin::pools() {
        for whole in [false, true] {
            cases.push(case(shape, window, whole, &mut Random::new(7))?);
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
