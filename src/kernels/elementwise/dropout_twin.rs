//! Twin of `shaders/elementwise/dropout.wgsl`.

use crate::{
    error::Result,
    fault::philox4x32_10,
    kernels::{
        elementwise,
        twin::{Case, Data, Random, Want, nan_padded, numbers::EPS},
    },
    shape::Nhwc,
};

/// Which values stay; value 0 here is value `first` of the whole batch.
#[must_use]
pub fn kept(len: usize, first: u32, layer: u32, p: f32, seed: [u32; 2]) -> Vec<bool> {
    let draw = |j: u32| {
        philox4x32_10([j / 4, layer, 0, elementwise::dropout::STREAM], seed)[j as usize % 4]
    };
    (0..len as u32)
        .map(|i| f64::from(draw(first + i)) >= (f64::from(p) * 2f64.powi(32)).floor())
        .collect()
}

fn case(shape: Nhwc, p: f32, layer: u32, first: u32, random: &mut Random) -> Result<Case> {
    let seed = [random.bits(), random.bits()];
    let x = random.floats((shape.pixels() * shape.c) as usize);
    let begin = first * shape.h * shape.w * shape.c;
    let kept = kept(x.len(), begin, layer, p, seed);
    let scale = 1.0 / (1.0 - f64::from(p));
    let y: Vec<f64> = x
        .iter()
        .zip(kept)
        .map(|(&x, keep)| f64::from(x) * if keep { scale } else { 0.0 })
        .collect();
    Ok(Case {
        label: format!("{shape} p {p} from image {first}"),
        plan: elementwise::dropout::plan(shape, p, layer, first)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::input(&seed),
            // The scale's subtraction and division, and the product.
            Data::Output(Want::channels(&y, shape, |v| 2.0 * EPS * v.abs())),
        ],
    })
}

/// Cases of [`elementwise::dropout`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(33);
    let shapes = [
        (Nhwc::new(1, 1, 1, 1), 0.5, 0, 0),
        (Nhwc::new(3, 1, 1, 4096), 0.5, 1, 0),
        (Nhwc::new(2, 3, 5, 10), 0.2, 7, 3),
        (Nhwc::new(5, 2, 2, 3), 0.9, 0, 11),
        (Nhwc::new(2, 2, 2, 6), 0.0, 0, 0),
    ];
    shapes
        .into_iter()
        .map(|(shape, p, layer, first)| case(shape, p, layer, first, &mut random))
        .collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let (shape, p) = (random.images(20_000), random.of(&[0.0, 0.1, 0.5, 0.9]));
    let (layer, first) = (random.below(60), random.below(300));
    case(shape, p, layer, first, random)
}
