//! Enlargement by an integer factor and its gradient, `shaders/layout/upsample_nearest*.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, at, elements, nan_padded, suite},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/lib/upsample_nearest.wgsl`.
    pub struct UpsampleNearestParams {
        /// Groups of four channels in the output: y forward, dx backward.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
        /// Rows of the small image.
        h: u32,
        /// Columns of the small image.
        w: u32,
        /// How many times larger the other image is, in both directions.
        factor: u32,
    }
}

crate::kernel! {
    KERNEL: "layout" / "upsample_nearest", UpsampleNearestParams,
    lib: ["lib/grid", "lib/each", "lib/upsample_nearest", "lib/lanes", "lib/place"],
    bindings: [("x", Read), ("y", ReadWrite)],
}

/// Shape of the enlarged image.
///
/// # Errors
/// A factor of 0, or a result too large for 32-bit indices.
pub fn output(x: Nhwc, factor: u32) -> Result<Nhwc> {
    match (x.checked()?.h.checked_mul(factor), x.w.checked_mul(factor)) {
        (Some(h @ 1..), Some(w @ 1..)) => Nhwc { h, w, ..x }.checked(),
        _ => Err(Error::Shape(format!("{x} cannot be enlarged by a factor of {factor}"))),
    }
}

/// Every pixel becomes `factor` x `factor` pixels; `x` is the small image's shape; bindings x, y.
pub fn plan(x: Nhwc, factor: u32) -> Result<Plan> {
    let y = output(x, factor)?;
    let params = UpsampleNearestParams { vec4s: y.vec4s(), c: x.c, h: x.h, w: x.w, factor };
    let grid = DispatchGrid::Items(u64::from(y.vec4s()));
    Ok(Plan::new(&KERNEL, &params, grid, vec![x.bytes(), y.bytes()]))
}

crate::kernel! {
    GRAD: "layout" / "upsample_nearest_grad", UpsampleNearestParams,
    lib: ["lib/grid", "lib/each", "lib/upsample_nearest", "lib/lanes", "lib/place"],
    bindings: [("dy", Read), ("dx", ReadWrite)],
}

/// Sums over each block of dy; `x` is the small image's shape, which dx has; bindings dy, dx.
pub fn plan_grad(x: Nhwc, factor: u32) -> Result<Plan> {
    let y = output(x, factor)?;
    let params = UpsampleNearestParams { vec4s: x.vec4s(), c: x.c, h: x.h, w: x.w, factor };
    let grid = DispatchGrid::Items(u64::from(x.vec4s()));
    Ok(Plan::new(&GRAD, &params, grid, vec![y.bytes(), x.bytes()]))
}

/// Shapes of small images, with factors.
const SIZES: [(Nhwc, u32); 6] = [
    (Nhwc { n: 1, h: 1, w: 1, c: 1 }, 1),
    (Nhwc { n: 2, h: 3, w: 5, c: 3 }, 2),
    (Nhwc { n: 1, h: 4, w: 3, c: 10 }, 3),
    (Nhwc { n: 2, h: 8, w: 8, c: 16 }, 2),
    (Nhwc { n: 3, h: 2, w: 1, c: 5 }, 4),
    (Nhwc { n: 1, h: 1, w: 2, c: 4 }, 7),
];

/// Repeats every pixel `factor` times in both directions.
#[must_use]
pub fn upsample_nearest(x: &[f32], shape: Nhwc, factor: u32) -> Vec<f64> {
    let y = Nhwc { h: shape.h * factor, w: shape.w * factor, ..shape };
    let small = |[n, i, j, c]: [u32; 4]| [n, i / factor, j / factor, c];
    elements(y).map(|to| f64::from(x[at(shape, small(to))])).collect()
}

/// Draws the shape of a small image and a factor.
pub(crate) fn draw(random: &mut Random) -> (Nhwc, u32) {
    let factor = random.between(1, 7);
    (random.images(20_000 / (factor * factor)), factor)
}

fn case(shape: Nhwc, factor: u32, random: &mut Random) -> Result<Case> {
    let x = random.floats((shape.pixels() * shape.c) as usize);
    let y = upsample_nearest(&x, shape, factor);
    let large = output(shape, factor)?;
    Ok(Case {
        label: format!("{shape} by {factor}"),
        plan: plan(shape, factor)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::Output(Want::channels(&y, large, |_| 0.0)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    SIZES.into_iter().map(|(shape, factor)| case(shape, factor, &mut Random::new(8))).collect()
}

fn random(random: &mut Random) -> Result<Case> {
    let (shape, factor) = draw(random);
    case(shape, factor, random)
}

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

fn grad_case(shape: Nhwc, factor: u32, whole: bool, random: &mut Random) -> Result<Case> {
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
        plan: plan_grad(shape, factor)?,
        data: vec![
            Data::input(&nan_padded(&dy, shape.c)),
            Data::Output(Want::channels_bounded(&dx, &bounds, shape)),
        ],
    })
}

fn grad_cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (shape, factor) in SIZES {
        for whole in [false, true] {
            cases.push(grad_case(shape, factor, whole, &mut Random::new(9))?);
        }
    }
    Ok(cases)
}

fn random_grad(random: &mut Random) -> Result<Case> {
    let (shape, factor) = draw(random);
    // The twin searches all rows for those of each block, so that many rows are slow.
    let shape = Nhwc { h: shape.h.min(40), ..shape };
    grad_case(shape, factor, random.flag(), random)
}

/// The kernels with their cases.
pub static SUITES: [Suite; 2] =
    [suite!(KERNEL, cases, random), suite!(GRAD, grad_cases, random_grad)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_of_0_and_past_32_bits_are_refused() {
        let x = Nhwc::new(1, 3, 4, 8);
        assert_eq!(output(x, 2).unwrap(), Nhwc::new(1, 6, 8, 8));
        for factor in [0, 1 << 20, 1 << 31] {
            assert!(plan(x, factor).is_err(), "{factor}");
        }
    }
}
