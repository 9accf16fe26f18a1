//! Twin of `shaders/elementwise/learned_image.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise,
        twin::{Case, Data, Random, Want, at, elements},
    },
    shape::Nhwc,
};

/// Batches, where the image lies, and the parameters' number.
pub(crate) const PLACES: [(Nhwc, u32, u32); 4] = [
    (Nhwc { n: 1, h: 1, w: 1, c: 1 }, 0, 1),
    (Nhwc { n: 3, h: 5, w: 7, c: 3 }, 4, 120),
    (Nhwc { n: 2, h: 32, w: 32, c: 3 }, 1, 3073),
    (Nhwc { n: 67, h: 3, w: 2, c: 4 }, 0, 24),
];

/// Index of element `[_, h, w, c]` in an image `[C, H, W]`.
pub(crate) fn planar(shape: Nhwc, [_, h, w, c]: [u32; 4]) -> usize {
    ((c * shape.h + h) * shape.w + w) as usize
}

/// The image for every slot, `[N, H, W, C]`.
#[must_use]
pub fn learned_image(image: &[f32], shape: Nhwc) -> Vec<f64> {
    let mut y = vec![0.0; (shape.pixels() * shape.c) as usize];
    for element in elements(shape) {
        y[at(shape, element)] = f64::from(image[planar(shape, element)]);
    }
    y
}

fn case(shape: Nhwc, offset: u32, len: u32, random: &mut Random) -> Result<Case> {
    let parameters = random.floats(len as usize);
    let y = learned_image(&parameters[offset as usize..], shape);
    Ok(Case {
        label: format!("{shape} at {offset}"),
        plan: elementwise::learned_image::plan(shape, offset, len)?,
        data: vec![Data::input(&parameters), Data::Output(Want::channels(&y, shape, |_| 0.0))],
    })
}

/// A batch of at most four channels, where the image lies, and the parameters' number.
pub(crate) fn draw(random: &mut Random) -> (Nhwc, u32, u32) {
    let shape = random.images(10_000);
    let shape = shape.with_c((shape.c - 1) % 4 + 1);
    let (before, after) = (random.below(9), random.below(9));
    (shape, before, before + shape.h * shape.w * shape.c + after)
}

/// Cases of [`elementwise::learned_image`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(31);
    PLACES.iter().map(|&(shape, offset, len)| case(shape, offset, len, &mut random)).collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let (shape, offset, len) = draw(random);
    case(shape, offset, len, random)
}
