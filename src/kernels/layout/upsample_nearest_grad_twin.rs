//! Twin of `shaders/layout/upsample_nearest_grad.wgsl`.

use crate::{
    error::Result,
    kernels::{
        layout::{
            self,
            upsample_nearest_twin::{SIZES, draw},
        },
        twin::{Case, Data, Random, Want, at, elements, nan_padded},
    },
    shape::Nhwc,
};

/// The sum over each block of dy; `x` is the shape of the small image.
#[must_use]
pub fn upsample_nearest_grad(dy: &[f32], x: Nhwc, factor: u32) -> Vec<f64> {
    let y = Nhwc { h: x.h * factor, w: x.w * factor, ..x };
    let block = |[n, h, w, c]: [u32; 4]| {
        let rows = (0..y.h).filter(move |i| i / factor == h);
        let pixels = rows.flat_map(move |i| (0..y.w).map(move |j| [i, j]));
        let inside = pixels.filter(move |[_, j]| j / factor == w);
        inside.map(|[i, j]| f64::from(dy[at(y, [n, i, j, c])])).sum()
    };
    elements(x).map(block).collect()
}

fn case(shape: Nhwc, factor: u32, whole: bool, random: &mut Random) -> Result<Case> {
    let terms = factor * factor;
    let len = (shape.pixels() * shape.c * terms) as usize;
    let dy = if whole { random.integers(len, 99) } else { random.floats(len) };
    let absolute: Vec<f32> = dy.iter().map(|dy| dy.abs()).collect();
    // A sum of factor^2 terms; whole numbers must be exact.
    let eps = if whole { 0.0 } else { f64::from(terms) * f64::from(f32::EPSILON) };
    let absolute = upsample_nearest_grad(&absolute, shape, factor);
    let bounds: Vec<f64> = absolute.iter().map(|sum| eps * sum).collect();
    let dx = upsample_nearest_grad(&dy, shape, factor);
    Ok(Case {
        label: format!("{shape} by {factor}{}", if whole { ", exact" } else { "" }),
        plan: layout::upsample_nearest_grad::plan(shape, factor)?,
        data: vec![
            Data::input(&nan_padded(&dy, shape.c)),
            Data::Output(Want::channels_bounded(&dx, &bounds, shape)),
        ],
    })
}

/// Cases of [`layout::upsample_nearest_grad`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (shape, factor) in SIZES {
        for whole in [false, true] {
            cases.push(case(shape, factor, whole, &mut Random::new(9))?);
        }
    }
    Ok(cases)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let (shape, factor) = draw(random);
    // The twin looks for the rows of each block among all.
    let shape = Nhwc { h: shape.h.min(40), ..shape };
    case(shape, factor, random.flag(), random)
}
