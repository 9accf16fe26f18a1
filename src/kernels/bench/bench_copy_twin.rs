//! Twin of `shaders/bench/bench_copy.wgsl`.

use crate::{
    error::Result,
    kernels::{
        bench,
        twin::{Case, Data, Random, Want},
    },
};

fn case(vec4s: u32, random: &mut Random) -> Result<Case> {
    // Any bits, those of NaN among them.
    let words: Vec<u32> = (0..4 * vec4s).map(|_| random.bits()).collect();
    Ok(Case {
        label: format!("{vec4s} times 16 bytes"),
        plan: bench::bench_copy::plan(vec4s)?,
        data: vec![Data::input(&words), Data::Output(Want::words(words))],
    })
}

/// Cases of [`bench::bench_copy`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(70);
    [1, 63, 64, 1025].into_iter().map(|vec4s| case(vec4s, &mut random)).collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    case(random.length(20_000), random)
}
