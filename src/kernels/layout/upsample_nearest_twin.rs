//! Twin of `shaders/layout/upsample_nearest.wgsl`.

use crate::{
    error::Result,
    kernels::{
        layout,
        twin::{Case, Data, Random, Want, at, elements, nan_padded},
    },
    shape::Nhwc,
};

/// Small images and factors.
pub(crate) const SIZES: [(Nhwc, u32); 6] = [
    (Nhwc { n: 1, h: 1, w: 1, c: 1 }, 1),
    (Nhwc { n: 2, h: 3, w: 5, c: 3 }, 2),
    (Nhwc { n: 1, h: 4, w: 3, c: 10 }, 3),
    (Nhwc { n: 2, h: 8, w: 8, c: 16 }, 2),
    (Nhwc { n: 3, h: 2, w: 1, c: 5 }, 4),
    (Nhwc { n: 1, h: 1, w: 2, c: 4 }, 7),
];

/// Every pixel becomes a block.
#[must_use]
pub fn upsample_nearest(x: &[f32], shape: Nhwc, factor: u32) -> Vec<f64> {
    let y = Nhwc { h: shape.h * factor, w: shape.w * factor, ..shape };
    let small = |[n, i, j, c]: [u32; 4]| [n, i / factor, j / factor, c];
    elements(y).map(|to| f64::from(x[at(shape, small(to))])).collect()
}

/// A small image and a factor.
pub(crate) fn draw(random: &mut Random) -> (Nhwc, u32) {
    let factor = random.between(1, 7);
    (random.images(20_000 / (factor * factor)), factor)
}

fn case(shape: Nhwc, factor: u32, random: &mut Random) -> Result<Case> {
    let x = random.floats((shape.pixels() * shape.c) as usize);
    let y = upsample_nearest(&x, shape, factor);
    let large = layout::upsample_nearest::output(shape, factor)?;
    Ok(Case {
        label: format!("{shape} by {factor}"),
        plan: layout::upsample_nearest::plan(shape, factor)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::Output(Want::channels(&y, large, |_| 0.0)),
        ],
    })
}

/// Cases of [`layout::upsample_nearest`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    SIZES.into_iter().map(|(shape, factor)| case(shape, factor, &mut Random::new(8))).collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let (shape, factor) = draw(random);
    case(shape, factor, random)
}
