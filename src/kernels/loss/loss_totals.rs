//! Running totals of losses and hits, `shaders/loss/loss_totals.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, suite},
    },
};

/// Most rows per copy: their count must be exact in f32, and loops must stay short.
const MAX_ROWS: u32 = 1 << 21;

crate::params! {
    /// Uniform block of `shaders/loss/loss_totals.wgsl`.
    pub struct LossTotalsParams {
        /// Number of copies.
        copies: u32,
        /// Rows per copy.
        n: u32,
    }
}

crate::kernel! {
    KERNEL: "loss" / "loss_totals", LossTotalsParams,
    lib: ["lib/grid", "lib/reduce"],
    bindings: [("row_loss", Read), ("correct", Read), ("totals", ReadWrite)],
}

/// Adds the `n` rows of each copy to its totals.
///
/// Bindings: `row_loss` f32 `[copies, n]`; correct u32 `[copies, n]`, 0 or 1; totals u32 `[copies,
/// 2]`: the bits of the f32 sum of losses, and the number of hits, changed in place.
///
/// # Errors
/// There is nothing to compute, more than 2^21 rows per copy, or more rows than 32-bit indices reach.
pub fn plan(copies: u32, n: u32) -> Result<Plan> {
    let rows = copies.checked_mul(n).filter(|&rows| rows > 0 && n <= MAX_ROWS);
    let Some(rows) = rows else {
        return Err(Error::Shape(format!("totals of {copies} copies of {n} rows")));
    };
    let rows = u64::from(rows) * 4;
    let bytes = vec![rows, rows, u64::from(copies) * 8];
    let grid = DispatchGrid::Groups(u64::from(copies));
    Ok(Plan::new(&KERNEL, &LossTotalsParams { copies, n }, grid, bytes))
}

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
        plan: plan(copies, n)?,
        data: vec![
            Data::input(&losses),
            Data::input(&correct),
            Data::in_out(&words, Want::words(after)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(11);
    [(1, 1), (3, 10), (2, 257), (11, 64)]
        .into_iter()
        .map(|(copies, n)| case(copies, n, &mut random))
        .collect()
}

fn random(random: &mut Random) -> Result<Case> {
    let copies = random.length(33);
    case(copies, random.length(700), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
