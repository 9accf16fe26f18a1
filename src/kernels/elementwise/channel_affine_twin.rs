//! Twin of `shaders/elementwise/channel_affine.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise,
        twin::{Case, Data, Random, Want, nan_padded},
    },
    shape::Nhwc,
};

/// `x scale[c] + shift[c]` of every pixel.
#[must_use]
pub fn channel_affine(x: &[f32], scale: &[f32], shift: &[f32]) -> Vec<f64> {
    let channels = scale.iter().zip(shift).cycle();
    let affine = |(&x, (&scale, &shift))| f64::from(x) * f64::from(scale) + f64::from(shift);
    x.iter().zip(channels).map(affine).collect()
}

fn case(shape: Nhwc, whole: bool, random: &mut Random) -> Result<Case> {
    let mut values = |len| if whole { random.integers(len, 99) } else { random.floats(len) };
    let x = values((shape.pixels() * shape.c) as usize);
    let (scale, shift) = (values(shape.c as usize), values(shape.c as usize));
    let absolute = |values: &[f32]| values.iter().map(|v| v.abs()).collect::<Vec<_>>();
    let most = channel_affine(&absolute(&x), &absolute(&scale), &absolute(&shift));
    // The product and the sum are rounded, or both at once; whole numbers must be exact.
    let eps = if whole { 0.0 } else { 2.0 * f64::from(f32::EPSILON) };
    let bounds: Vec<f64> = most.iter().map(|sum| eps * sum).collect();
    let y = channel_affine(&x, &scale, &shift);
    Ok(Case {
        label: format!("{shape}{}", if whole { ", exact" } else { "" }),
        plan: elementwise::channel_affine::plan(shape)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::input(&nan_padded(&scale, shape.c)),
            Data::input(&nan_padded(&shift, shape.c)),
            Data::Output(Want::channels_bounded(&y, &bounds, shape)),
        ],
    })
}

/// Cases of [`elementwise::channel_affine`].
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
        for whole in [false, true] {
            cases.push(case(shape, whole, &mut Random::new(14))?);
        }
    }
    Ok(cases)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    case(random.images(20_000), random.flag(), random)
}
