//! Twin of `shaders/bench/bench_fma*.wgsl`.

use crate::{
    error::Result,
    kernels::{
        bench::bench_fma::{self, CHAINS, STEPS},
        twin::{Case, Data, Random, Want},
    },
};

/// The sum over the chains of component `lane` of result `i`.
fn sum(i: u32, lane: u32, turns: u32, factor: f64, step: f64) -> f64 {
    let chain = |k: u32| {
        let first = f64::from(i % 8 + lane + k);
        (0..STEPS * turns).fold(first, |a, _| factor * a + step)
    };
    (0..CHAINS).map(chain).sum()
}

fn case(len: u32, turns: u32, factor: f32, step: f32) -> Result<Case> {
    let value = |j: u32| sum(j / 4, j % 4, turns, factor.into(), step.into());
    let values: Vec<f64> = (0..4 * len).map(value).collect();
    Ok(Case {
        label: format!("{len} results, {turns} turns of a * {factor} + {step}"),
        plan: bench_fma::plan(len, turns, factor, step)?,
        data: vec![Data::Output(Want::exact(&values))],
    })
}

/// Cases of [`bench_fma`]: whole numbers so small that even 16 bits hold them exactly.
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    [(1, 1, 1.0, 1.0), (65, 2, 1.0, 2.0), (300, 3, -1.0, 5.0), (7, 1, 0.0, 3.0)]
        .into_iter()
        .map(|(len, turns, factor, step)| case(len, turns, factor, step))
        .collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let len = random.length(300);
    let (turns, factor, step) =
        random.of(&[(1, 1.0, 1.0), (2, 1.0, 2.0), (3, -1.0, 5.0), (1, 0.0, 3.0)]);
    case(len, turns, factor, step)
}
