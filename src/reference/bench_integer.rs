//! Twin of `shaders/bench_integer.wgsl`.

use crate::{
    conformance::{Case, Data, Want},
    error::Result,
    fault::philox4x32_10,
    ops,
};

/// Cases of [`ops::bench_integer`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let case = |(len, turns): (u32, u32)| {
        let result = |i: u32| (0..turns).fold([i, 0, 0, 0], |c, _| philox4x32_10(c, [7, 9]));
        let words: Vec<u32> = (0..len).flat_map(result).collect();
        Ok(Case {
            label: format!("{len} results after {turns} turns"),
            plan: ops::bench_integer::plan(len, turns)?,
            data: vec![Data::Output(Want::Words(words))],
        })
    };
    [(1, 1), (65, 3), (1000, 17)].into_iter().map(case).collect()
}
