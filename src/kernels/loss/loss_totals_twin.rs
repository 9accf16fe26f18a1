//! Twin of `shaders/loss/loss_totals.wgsl`.

use crate::{
    error::Result,
    kernels::{
        loss,
        twin::{Case, Data, Random, Want},
    },
};

/// Totals `[copies, 2]` after a batch: bits of the f32 sum of losses, number of hits.
fn totals(before: &[(f32, u32)], losses: &[f32], correct: &[u32], n: usize) -> Vec<u32> {
    let mut after = Vec::new();
    for (k, &(loss, hits)) in before.iter().enumerate() {
        let rows = k * n..(k + 1) * n;
        let sum: f64 = losses[rows.clone()].iter().map(|&l| f64::from(l)).sum();
        after.push(((f64::from(loss) + sum) as f32).to_bits());
        after.push(hits + correct[rows].iter().sum::<u32>());
    }
    after
}

/// Losses are multiples of 1/64, so that every order gives the same sum and the words must be exact.
fn case(copies: u32, n: u32, random: &mut Random) -> Result<Case> {
    let rows = (copies * n) as usize;
    let losses: Vec<f32> = (0..rows).map(|_| random.below(640) as f32 / 64.0).collect();
    let correct: Vec<u32> = (0..rows).map(|_| random.below(2)).collect();
    let before: Vec<(f32, u32)> =
        (0..copies).map(|_| (random.below(999) as f32 / 64.0, random.below(9999))).collect();
    let words: Vec<u32> = before.iter().flat_map(|&(l, hits)| [l.to_bits(), hits]).collect();
    let after = totals(&before, &losses, &correct, n as usize);
    Ok(Case {
        label: format!("[copies={copies} n={n}] integers"),
        plan: loss::loss_totals::plan(copies, n)?,
        data: vec![
            Data::input(&losses),
            Data::input(&correct),
            Data::in_out(&words, Want::words(after)),
        ],
    })
}

/// Cases of [`loss::loss_totals`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(11);
    [(1, 1), (3, 10), (2, 257), (11, 64)]
        .into_iter()
        .map(|(copies, n)| case(copies, n, &mut random))
        .collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let copies = random.length(33);
    case(copies, random.length(700), random)
}
