//! Twin of `shaders/reduce/channel_sum.wgsl`.

use crate::{
    error::Result,
    kernels::{
        norm::batch_norm_grad_finish_twin::sum_rows,
        reduce::{self, chunking::Chunking},
        twin::{
            Case, Data, Random, Want, nan_padded,
            numbers::{EPS, wide},
        },
    },
    shape::Nhwc,
};

/// Sum of each channel of x `[pixels, c]` over each chunk, `[chunks, c]`.
#[must_use]
pub fn partial(x: &[f64], c: u32, chunk: u32) -> Vec<f64> {
    x.chunks((chunk * c) as usize).flat_map(|pixels| sum_rows(pixels, c as usize)).collect()
}

fn case(shape: Nhwc, whole: bool, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    let x = if whole { random.integers(len, 99) } else { random.floats(len) };
    let chunk = Chunking::of(shape)?.chunk;
    let sums = partial(&wide(&x), shape.c, chunk);
    // One rounding per pixel, of the sum of absolute values at most.
    let absolute: Vec<f64> = x.iter().map(|v| f64::from(v.abs())).collect();
    let per_pixel = if whole { 0.0 } else { EPS * f64::from(chunk.min(shape.pixels())) };
    let bounds: Vec<f64> =
        partial(&absolute, shape.c, chunk).iter().map(|a| per_pixel * a).collect();
    Ok(Case {
        label: format!("{shape}{}", if whole { " integers" } else { "" }),
        plan: reduce::channel_sum::plan(shape)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::Output(Want::channels_bounded(&sums, &bounds, shape.c)),
        ],
    })
}

/// Cases of [`reduce::channel_sum`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(8);
    let shapes = [
        (Nhwc::new(1, 1, 1, 1), false),
        (Nhwc::new(2, 3, 5, 3), false),
        (Nhwc::new(1, 17, 31, 10), false),
        (Nhwc::new(1, 257, 1, 33), true),
        (Nhwc::new(2, 16, 16, 3), true),
    ];
    shapes.into_iter().map(|(shape, whole)| case(shape, whole, &mut random)).collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    case(random.images(40_000), random.flag(), random)
}
