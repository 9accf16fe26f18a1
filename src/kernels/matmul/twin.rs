//! Twin of `shaders/matmul/matmul*.wgsl`.

use crate::{
    error::Result,
    kernels::{
        conv::conv2d::twin::padded_weights,
        matmul::{self, Matmul, panels},
        twin::{Case, Data, Random, Want, nan_padded},
    },
    shape::Rsck,
};

/// `y[row, k]` of one product, and the sums of the terms' absolute values.
#[must_use]
pub fn matmul(x: &[f32], w: &[f32], c: usize, k: usize) -> (Vec<f64>, Vec<f64>) {
    let term =
        |row: &[f32], i: usize, column: usize| f64::from(row[i]) * f64::from(w[i * k + column]);
    let sums = |f: fn(f64) -> f64| {
        let at = |row: &[f32], column: usize| (0..c).map(|i| f(term(row, i, column))).sum();
        x.chunks(c).flat_map(|row| (0..k).map(move |column| at(row, column))).collect()
    };
    (sums(|v| v), sums(f64::abs))
}

fn case(product: Matmul, exact: bool, random: &mut Random) -> Result<Case> {
    let Matmul { rows, c, k, batches } = product;
    let mut draw = |len: usize| if exact { random.integers(len, 3) } else { random.floats(len) };
    let (mut xs, mut ws, mut values, mut bounds) = (vec![], vec![], vec![], vec![]);
    for _ in 0..batches {
        let (x, w) = (draw((rows * c) as usize), draw((c * k) as usize));
        let (value, size) = matmul(&x, &w, c as usize, k as usize);
        values.extend(value);
        // Each product and each addition may round once.
        let bound = |s: &f64| if exact { 0.0 } else { f64::from(c) * f64::from(f32::EPSILON) * s };
        bounds.extend(size.iter().map(bound));
        xs.extend(nan_padded(&x, c));
        let padded = padded_weights(&w, Rsck::new(1, 1, c, k), f32::NAN);
        ws.extend(panels(&padded, k.next_multiple_of(4) as usize));
    }
    Ok(Case {
        label: format!("{batches} of [{rows}, {c}] x [{c}, {k}] exact {exact}"),
        plan: matmul::plan(product)?,
        data: vec![
            Data::input(&xs),
            Data::input(&ws),
            Data::Output(Want::channels_bounded(&values, &bounds, k)),
        ],
    })
}

/// Cases of [`matmul`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (rows, c, k, batches) in [
        (1, 1, 1, 1),
        (31, 4, 32, 2),
        (32, 7, 33, 1),
        (33, 70, 10, 3),
        (65, 8, 64, 2),
        (5, 3, 40, 16),
        (3, 9, 6, 4),
        (129, 64, 36, 1),
    ] {
        for exact in [true, false] {
            let product = Matmul { rows, c, k, batches };
            cases.push(case(product, exact, &mut Random::new(rows + c + k))?);
        }
    }
    Ok(cases)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let (rows, c, k) = (random.length(260), random.length(140), random.length(140));
    let most = (1_000_000 / (rows * c * k)).clamp(1, 33);
    case(Matmul { rows, c, k, batches: random.length(most) }, random.flag(), random)
}
