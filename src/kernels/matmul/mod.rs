//! Batched products of matrices: `shaders/matmul/matmul*.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        conv::conv2d::twin::padded_weights,
        desc::{Access, KernelDesc, Params, Variant},
        plan::{Class, DispatchGrid, Less, Plan, bucket},
        tiles::{self, Preferred, Tile},
        twin::{Case, Data, Random, Suite, Want, nan_padded, suite},
    },
    shape::{Nhwc, Rsck},
};
use std::sync::Arc;

crate::params! {
    /// Uniform block of `shaders/matmul/matmul*.wgsl`.
    pub struct MatmulParams {
        /// Rows of x and y.
        rows: u32,
        /// Columns of x and rows of w, without padding.
        c: u32,
        /// Columns of w and y, without padding.
        k: u32,
        /// Number of products.
        batches: u32,
    }
}

/// A variant's text: the pieces that all variants share, and its own file.
macro_rules! joined {
    ($($own:literal $(/ $stem:literal)?),+) => {
        crate::wgsl!("lib/grid", "lib/lanes", "lib/panels", "lib/matmul", $($own $(/ $stem)?),+)
    };
}

/// A variant whose lanes own 8 x 8 results, of `$workgroup` lanes and with the tile `$tile`.
macro_rules! tile8 {
    ($name:literal, $stem:literal, $workgroup:literal, $tile:expr) => {
        Variant {
            workgroups: &[$workgroup],
            tile: |_| $tile,
            ..Variant::tiled(
                $name,
                $stem,
                joined!("lib/tile8", "lib/tile8_step", "lib/matmul_tile8", "matmul" / $stem),
            )
        }
    };
}

/// The kernel's interface and its variants.
pub static KERNEL: KernelDesc = KernelDesc {
    name: "matmul",
    params_name: MatmulParams::NAME,
    params: MatmulParams::FIELDS,
    bindings: &[
        ("params", Access::Uniform),
        ("x", Access::Read),
        ("w", Access::Read),
        ("y", Access::ReadWrite),
    ],
    variants: &[
        tile8!("tile64", "matmul_tile64", 128, [16, 128, 1]),
        tile8!("tile128", "matmul_tile128", 256, [32, 128, 1]),
        tile8!("tile32", "matmul_tile32", 128, [8, 256, 1]),
        Variant {
            tile: |_| [8, 32, 1],
            ..Variant::of_8_lanes(
                "subgroup8",
                "matmul_subgroup8",
                joined!("matmul/matmul_subgroup8"),
            )
        },
        Variant {
            tile: |workgroup| [1, 4 * workgroup, 1],
            ..Variant::hot("plain", "matmul", joined!("matmul/matmul"))
        },
    ],
};

/// The tiles of 8 x 8 results a lane, with the variant to try first where one of them suits the shape.
const TILES: [(Tile, Preferred); 3] = [
    (Tile { width: 64, height: 128, share: 93 }, &["tile64"]),
    (Tile { width: 128, height: 128, share: 94 }, &["tile128"]),
    (Tile { width: 32, height: 256, share: 90 }, &["tile32"]),
];

/// `batches` products of x `[rows, C]` and w `[C, K]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matmul {
    /// Rows of x and y.
    pub rows: u32,
    /// Columns of x and rows of w.
    pub c: u32,
    /// Columns of w and y.
    pub k: u32,
    /// Number of products.
    pub batches: u32,
}

impl Less for Matmul {
    fn half(&self) -> Option<Result<Plan>> {
        let batches = self.batches.div_ceil(2);
        (batches < self.batches).then(|| plan(Self { batches, ..*self }))
    }
}

/// Plans the products; bindings x, w, y, each `[batches, ...]` with columns padded to a multiple of 4,
/// and w in [`panels`].
pub fn plan(Matmul { rows, c, k, batches }: Matmul) -> Result<Plan> {
    let [x, y] = [c, k].map(|columns| Nhwc::new(batches, 1, rows, columns));
    let (x, y) = (x.checked()?, y.checked()?);
    let w = Rsck::new(1, 1, c, k);
    let weights = u64::from(w.c.next_multiple_of(4)) * u64::from(w.k.next_multiple_of(4));
    if weights * u64::from(batches) > u64::from(u32::MAX) {
        return Err(Error::TooManyElements { what: format!("{batches} times {c} x {k} weights") });
    }
    let params = MatmulParams { rows, c, k, batches };
    let bytes = vec![x.bytes(), weights * 4 * u64::from(batches), y.bytes()];
    let grid = DispatchGrid::Tiles([y.c4(), rows, batches]);
    let products = u64::from(rows) * u64::from(c) * u64::from(k) * u64::from(batches);
    let class = Class {
        name: format!("{}x{c}>{k} batches{}", bucket(rows), bucket(batches)),
        words: &[],
        eps: f32::EPSILON.into(),
        less: Arc::new(Matmul { rows, c, k, batches }),
    };
    let plan = Plan::new(&KERNEL, &params, grid, bytes).costing(2 * products).classed(class);
    // A subgroup computes 32 columns: with 8 columns or fewer most of its lanes would idle.
    Ok(match y.c4() {
        ..=2 => plan.preferring(&["plain"]),
        _ => plan.preferring(tiles::fastest(&TILES, k, rows, batches)),
    })
}

/// Columns of a panel.
const PANEL: usize = 32;

/// A matrix `[rows, columns]` in the layout of binding w, which Winograd's weight transforms write:
/// panels of 32 columns one behind another, each `[rows, 32]`; the last panel has the remaining
/// columns. `columns` includes padding.
///
/// # Panics
/// The matrix has no whole rows.
pub fn panels<T: Copy>(matrix: &[T], columns: usize) -> Vec<T> {
    assert!(columns > 0 && matrix.len().is_multiple_of(columns), "whole rows of {columns}");
    let panel = |first: usize| {
        let end = columns.min(first + PANEL);
        matrix.chunks(columns).flat_map(move |row| row[first..end].iter().copied())
    };
    (0..columns).step_by(PANEL).flat_map(panel).collect()
}

/// `y[row, k]` of one product, and the sums of the terms' absolute values.
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
        plan: plan(product)?,
        data: vec![
            Data::input(&xs),
            Data::input(&ws),
            Data::Output(Want::channels_bounded(&values, &bounds, k)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
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

fn random(random: &mut Random) -> Result<Case> {
    let (rows, c, k) = (random.length(260), random.length(140), random.length(140));
    let most = (1_000_000 / (rows * c * k)).clamp(1, 33);
    case(Matmul { rows, c, k, batches: random.length(most) }, random.flag(), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_lies_behind_another() {
        let matrix: Vec<usize> = (0..2 * 36).collect();
        let (first, last): (Vec<usize>, Vec<usize>) = matrix.iter().partition(|&i| i % 36 < 32);
        assert_eq!(panels(&matrix, 36), [first, last].concat());
        assert_eq!(panels(&matrix, 8), matrix);
    }

    #[test]
    fn empty_products_and_indices_past_32_bits_are_refused() {
        let product = Matmul { rows: 3, c: 5, k: 7, batches: 2 };
        assert_eq!(plan(product).unwrap().flops, 2 * 3 * 5 * 7 * 2);
        for wrong in [
            Matmul { rows: 0, ..product },
            Matmul { c: 0, ..product },
            Matmul { k: 0, ..product },
            Matmul { batches: 0, ..product },
            Matmul { rows: 1 << 31, ..product },
            Matmul { c: 1 << 16, k: 1 << 15, rows: 1, ..product },
        ] {
            assert!(plan(wrong).is_err(), "{wrong:?}");
        }
    }
}
