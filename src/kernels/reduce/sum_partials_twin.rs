//! Twin of `shaders/reduce/sum_partials.wgsl`.

use crate::{
    error::Result,
    kernels::{
        norm::batch_norm_grad_finish_twin::sum_rows,
        reduce,
        twin::{
            Case, Data, Random, Want, nan_padded,
            numbers::{EPS, wide},
        },
    },
};

fn case(rows: usize, len: usize, whole: bool, random: &mut Random) -> Result<Case> {
    let partial = if whole { random.integers(rows * len, 99) } else { random.floats(rows * len) };
    let sums = sum_rows(&wide(&partial), len);
    // One rounding per row, of the sum of absolute values at most.
    let absolute: Vec<f64> = partial.iter().map(|v| f64::from(v.abs())).collect();
    let per_row = if whole { 0.0 } else { EPS * rows as f64 };
    let bounds: Vec<f64> = sum_rows(&absolute, len).iter().map(|a| per_row * a).collect();
    let offset = 5;
    let before = random.floats(offset + len + 6);
    let (mut after, mut after_bounds) = (wide(&before), vec![0.0; before.len()]);
    after[offset..offset + len].copy_from_slice(&sums);
    after_bounds[offset..offset + len].copy_from_slice(&bounds);
    Ok(Case {
        label: format!("{rows} rows of {len}{}", if whole { " integers" } else { "" }),
        plan: reduce::sum_partials::plan(
            rows as u32,
            (len as u32).next_multiple_of(4),
            len as u32,
            offset as u32,
            before.len() as u32,
        )?,
        data: vec![
            Data::input(&nan_padded(&partial, len as u32)),
            Data::in_out(&before, Want::bounded(after, after_bounds)),
        ],
    })
}

/// Cases of [`reduce::sum_partials`]; the twin is [`sum_rows`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(9);
    // Rows, columns, whether whole numbers; 16 | 17 rows and 128 columns are where blocks change.
    [
        (1, 1, false),
        (3, 10, false),
        (16, 131, true),
        (17, 129, false),
        (16, 128, false),
        (700, 3, true),
        (300, 33, false),
    ]
    .into_iter()
    .map(|(rows, len, whole)| case(rows, len, whole, &mut random))
    .collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let rows = random.length(700);
    let len = random.length((100_000 / rows).min(5_000));
    case(rows as usize, len as usize, random.flag(), random)
}
