//! Twin of `shaders/layout/concat_channels.wgsl`.

use crate::{
    error::Result,
    kernels::{
        layout,
        twin::{Case, Data, Random, Want, nan_padded},
    },
    shape::Nhwc,
};

/// `[a, b]` of every pixel, `a_c` and `b_c` channels of it.
#[must_use]
pub fn concat_channels(a: &[f32], b: &[f32], a_c: u32, b_c: u32) -> Vec<f64> {
    let pixels = a.chunks(a_c as usize).zip(b.chunks(b_c as usize));
    pixels.flat_map(|(a, b)| a.iter().chain(b)).map(|&v| f64::from(v)).collect()
}

fn case(shape: Nhwc, b_c: u32, random: &mut Random) -> Result<Case> {
    let a_c = shape.c;
    let a = random.floats((shape.pixels() * a_c) as usize);
    let b = random.floats((shape.pixels() * b_c) as usize);
    let y = concat_channels(&a, &b, a_c, b_c);
    Ok(Case {
        label: format!("{shape} and {b_c} channels"),
        plan: layout::concat_channels::plan(shape, shape.with_c(b_c))?,
        data: vec![
            Data::input(&nan_padded(&a, a_c)),
            Data::input(&nan_padded(&b, b_c)),
            Data::Output(Want::channels(&y, shape.with_c(a_c + b_c), |_| 0.0)),
        ],
    })
}

/// Cases of [`layout::concat_channels`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    [(1, 1), (3, 5), (4, 4), (8, 3), (10, 1), (3, 1), (7, 10), (16, 32), (2, 13)]
        .into_iter()
        .map(|(a_c, b_c)| case(Nhwc::new(2, 3, 5, a_c), b_c, &mut Random::new(10)))
        .collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    case(random.images(10_000), random.length(70), random)
}
