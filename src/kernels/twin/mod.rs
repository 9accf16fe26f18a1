//! CPU twins: each kernel's definition computed plainly in f64, and the cases that compare kernel and twin.
//!
//! A twin shares no code with its kernel, only the definition in the shader's header.

mod axes;
mod case;
pub mod numbers;
mod want;

pub use axes::Axes;
pub use case::{Case, Data, Random, nan_padded};
pub use want::{POISON, Want, WrongElements};

use super::desc::KernelDesc;
use crate::{error::Result, shape::Nhwc};

/// A kernel and the function that makes its conformance cases.
pub struct Suite {
    pub kernel: &'static KernelDesc,
    /// Its cases: floating-point ones, small-integer ones that must be exact, NaN in padding lanes, and
    /// drawn ones with NaN and infinities among their values.
    pub cases: fn() -> Result<Vec<Case>>,
    /// A case of a random shape with random values, small enough to take milliseconds.
    pub random: fn(&mut Random) -> Result<Case>,
}

/// A [`Suite`] from a kernel, the function that makes its fixed cases and the one that draws a case. Drawn
/// cases with NaN and infinities are appended to the fixed ones.
macro_rules! suite {
    ($kernel:ident, $cases:expr, $random:expr) => {
        $crate::kernels::twin::Suite {
            kernel: &$kernel,
            cases: || $crate::kernels::twin::with_specials(($cases)()?, $random),
            random: $random,
        }
    };
}
pub(crate) use suite;

/// Number of drawn cases with NaN and infinities per kernel.
const SPECIALS: u32 = 4;

/// Appends drawn cases with some NaN and infinite values to the cases of a kernel.
pub(crate) fn with_specials(
    mut cases: Vec<Case>,
    random: fn(&mut Random) -> Result<Case>,
) -> Result<Vec<Case>> {
    for seed in 1..=SPECIALS {
        let case = random(&mut Random::special(seed))?;
        cases.push(Case { label: format!("{} special {seed}", case.label), ..case });
    }
    Ok(cases)
}

/// Index of element `[n, h, w, c]` in an array without channel padding.
pub fn at(shape: Nhwc, [n, h, w, c]: [u32; 4]) -> usize {
    (((n * shape.h + h) * shape.w + w) * shape.c + c) as usize
}

/// All `[n, h, w, c]` of a shape, in the order of an array without channel padding.
pub fn elements(shape: Nhwc) -> impl Iterator<Item = [u32; 4]> {
    let Nhwc { n, h, w, c } = shape;
    (0..n * h * w * c).map(move |i| [i / (c * w * h), i / (c * w) % h, i / c % w, i % c])
}
