//! Twin of `shaders/norm/batch_norm_grad_finish.wgsl`.

use crate::{
    error::Result,
    kernels::{
        norm,
        reduce::chunking::Chunking,
        twin::{
            Case, Data, Random, Want, nan_padded,
            numbers::{EPS, wide},
        },
    },
    shape::Nhwc,
};

/// Sum over the rows of `[rows, len]`.
#[must_use]
pub fn sum_rows(partial: &[f64], len: usize) -> Vec<f64> {
    (0..len).map(|i| partial.iter().skip(i).step_by(len).sum()).collect()
}

fn case(shape: Nhwc, whole: bool, random: &mut Random) -> Result<Case> {
    let (c, chunks) = (shape.c as usize, Chunking::of(shape)?.chunks);
    let len = chunks as usize * 2 * c;
    let partial = if whole { random.integers(len, 99) } else { random.floats(len) };
    let sums = sum_rows(&wide(&partial), 2 * c);
    // One rounding per chunk, of the sum of absolute values at most.
    let absolute: Vec<f64> = partial.iter().map(|v| f64::from(v.abs())).collect();
    let per_chunk = if whole { 0.0 } else { EPS * f64::from(chunks) };
    let bounds: Vec<f64> = sum_rows(&absolute, 2 * c).iter().map(|a| per_chunk * a).collect();

    // gamma's place comes last here, and what lies around the two must survive.
    let (beta_at, gamma_at) = (2, c + 5);
    let before = random.floats(gamma_at + c + 3);
    let (mut after, mut after_bounds) = (wide(&before), vec![0.0; before.len()]);
    for (row, at) in [beta_at, gamma_at].into_iter().enumerate() {
        after[at..at + c].copy_from_slice(&sums[row * c..(row + 1) * c]);
        after_bounds[at..at + c].copy_from_slice(&bounds[row * c..(row + 1) * c]);
    }
    Ok(Case {
        label: format!("{shape}{}", if whole { " integers" } else { "" }),
        plan: norm::batch_norm_grad_finish::plan(
            shape,
            chunks,
            gamma_at as u32,
            beta_at as u32,
            before.len() as u32,
        )?,
        data: vec![
            Data::input(&nan_padded(&partial, shape.c)),
            Data::Output(Want::channels_bounded(&sums, &bounds, shape.c)),
            Data::in_out(&before, Want::bounded(after, after_bounds)),
        ],
    })
}

/// Cases of [`norm::batch_norm_grad_finish`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(6);
    let shapes = [
        (Nhwc::new(1, 1, 1, 1), false),
        (Nhwc::new(1, 257, 1, 3), false),
        (Nhwc::new(5, 40, 40, 10), false),
        (Nhwc::new(1, 256, 300, 5), true),
    ];
    shapes.into_iter().map(|(shape, whole)| case(shape, whole, &mut random)).collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    case(random.images(200_000), random.flag(), random)
}
