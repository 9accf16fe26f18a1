//! Twin of `shaders/bench_copy.wgsl`.

use crate::{
    conformance::{Case, Data, Random, Want},
    error::Result,
    ops,
};

/// Cases of [`ops::bench_copy`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(70);
    let mut case = |vec4s: u32| {
        // Any bits, those of NaN among them.
        let words: Vec<u32> = (0..4 * vec4s).map(|_| random.bits()).collect();
        Ok(Case {
            label: format!("{vec4s} times 16 bytes"),
            plan: ops::bench_copy::plan(vec4s)?,
            data: vec![Data::input(&words), Data::Output(Want::Words(words))],
        })
    };
    [1, 63, 64, 1025].into_iter().map(&mut case).collect()
}
