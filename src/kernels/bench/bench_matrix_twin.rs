//! Twin of `shaders/bench/bench_matrix*.wgsl`.

use crate::{
    error::Result,
    kernels::{
        bench::bench_matrix::{self, INNER, SIDE},
        twin::{Case, Data, Random, Want},
    },
};

fn case(blocks: u32, turns: u32, random: &mut Random) -> Result<Case> {
    let operand = (SIDE * INNER) as usize;
    let (x, w) = (random.integers(operand, 4), random.integers(operand, 4));
    let element = |i: u32| -> f64 {
        let (row, column) = (i / SIDE, i % SIDE);
        let term = |c: u32| {
            let [x, w] = [x[(row * INNER + c) as usize], w[(c * SIDE + column) as usize]];
            f64::from(x) * f64::from(w)
        };
        f64::from(turns) * (0..INNER).map(term).sum::<f64>()
    };
    let block: Vec<f64> = (0..SIDE * SIDE).map(element).collect();
    let all: Vec<f64> = (0..blocks).flat_map(|_| block.clone()).collect();
    Ok(Case {
        label: format!("{blocks} blocks, {turns} turns"),
        plan: bench_matrix::plan(blocks, turns)?,
        data: vec![Data::input(&x), Data::input(&w), Data::Output(Want::exact(&all))],
    })
}

/// Cases of [`bench_matrix`]: whole numbers whose sums f32 holds.
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(71);
    [(1, 1), (4, 2), (7, 5)]
        .into_iter()
        .map(|(blocks, turns)| case(blocks, turns, &mut random))
        .collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    case(random.length(9), random.between(1, 5), random)
}
