//! Twin of `shaders/bench/bench_integer.wgsl`.

use crate::{
    error::Result,
    fault::philox4x32_10,
    kernels::{
        bench,
        twin::{Case, Data, Random, Want},
    },
};

fn case(len: u32, turns: u32) -> Result<Case> {
    let result = |i: u32| (0..turns).fold([i, 0, 0, 0], |c, _| philox4x32_10(c, [7, 9]));
    let words: Vec<u32> = (0..len).flat_map(result).collect();
    Ok(Case {
        label: format!("{len} results after {turns} turns"),
        plan: bench::bench_integer::plan(len, turns)?,
        data: vec![Data::Output(Want::words(words))],
    })
}

/// Cases of [`bench::bench_integer`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    [(1, 1), (65, 3), (1000, 17)].into_iter().map(|(len, turns)| case(len, turns)).collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    case(random.length(2_000), random.between(1, 20))
}
