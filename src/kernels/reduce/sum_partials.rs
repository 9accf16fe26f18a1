//! Sums of rows in a fixed order, `shaders/reduce/sum_partials.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        norm::backward::sum_rows,
        plan::{DispatchGrid, Plan},
        twin::{
            Case, Data, Random, Suite, Want, nan_padded,
            numbers::{EPS, wide},
            suite,
        },
    },
};

/// Most rows: a lane of the smallest workgroup adds an eighth of them (32 lanes, blocks of 4),
/// which is below the 65,535 turns that llvmpipe allows.
const MAX_ROWS: u32 = 1 << 18;

crate::params! {
    /// Uniform block of `shaders/reduce/sum_partials.wgsl`.
    pub struct SumPartialsParams {
        /// Number of rows.
        rows: u32,
        /// Groups of four columns in a row.
        row4s: u32,
        /// Columns that are written.
        len: u32,
        /// Offset of the result in the flat buffer, in floats.
        offset: u32,
        /// Groups of four columns per workgroup.
        block: u32,
    }
}

crate::kernel! {
    KERNEL: "reduce" / "sum_partials", SumPartialsParams,
    lib: ["lib/grid", "lib/reduce"],
    bindings: [("partial", Read), ("y", ReadWrite)],
}

/// `y[offset + i] = sum_r partial[r, i]` for `i < len`; the rest of y keeps its contents.
///
/// Bindings: partial f32 `[rows, row_len]`, y f32 `[out_len]`.
///
/// # Errors
/// The row length is no multiple of 4 or below `len`, there is nothing to sum, there are more than
/// 2^18 rows, or the result ends past the end of y.
pub fn plan(rows: u32, row_len: u32, len: u32, offset: u32, out_len: u32) -> Result<Plan> {
    let what = || format!("a sum of {rows} rows of {row_len}, {len} used");
    if rows == 0 || len == 0 || rows > MAX_ROWS || !row_len.is_multiple_of(4) || len > row_len {
        return Err(Error::Shape(format!("{}: cannot be planned", what())));
    }
    if offset.checked_add(len).is_none_or(|end| end > out_len) {
        return Err(Error::Shape(format!("{}, at {offset} does not fit {out_len}", what())));
    }
    if rows.checked_mul(row_len).is_none() {
        return Err(Error::TooManyElements { what: what() });
    }
    let used4s = len.div_ceil(4);
    // With many rows, lanes share the rows of a few columns; with few rows, lanes take different
    // columns.
    let block = used4s.next_power_of_two().min(if rows <= 16 { 32 } else { 4 });
    let params = SumPartialsParams { rows, row4s: row_len / 4, len, offset, block };
    let groups = u64::from(used4s.div_ceil(block));
    let partial = u64::from(rows) * u64::from(row_len) * 4;
    let bytes = vec![partial, u64::from(out_len) * 4];
    Ok(Plan::new(&KERNEL, &params, DispatchGrid::Groups(groups), bytes).costing(partial / 4))
}

fn case(rows: usize, len: usize, whole: bool, random: &mut Random) -> Result<Case> {
    let partial = if whole { random.integers(rows * len, 99) } else { random.floats(rows * len) };
    let sums = sum_rows(&wide(&partial), len);
    // Adding a row rounds a number of at most the sum of absolute values.
    let absolute: Vec<f64> = partial.iter().map(|v| f64::from(v.abs())).collect();
    let per_row = if whole { 0.0 } else { EPS * rows as f64 };
    let bounds: Vec<f64> = sum_rows(&absolute, len).iter().map(|a| per_row * a).collect();
    let offset = 5;
    let before = random.floats(offset + len + 6);
    let (mut after, mut after_bounds) = (wide(&before), vec![0.0; before.len()]);
    after[offset..offset + len].copy_from_slice(&sums);
    after_bounds[offset..offset + len].copy_from_slice(&bounds);
    Ok(Case {
        label: format!("{rows} rows of {len}{}", if whole { " integers" } else { "" }),
        plan: plan(
            rows as u32,
            (len as u32).next_multiple_of(4),
            len as u32,
            offset as u32,
            before.len() as u32,
        )?,
        data: vec![
            Data::input(&nan_padded(&partial, len as u32)),
            Data::in_out(&before, Want::bounded(after, after_bounds)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(9);
    // (rows, columns, whole numbers or not); block sizes change between 16 and 17 rows and at 128
    // columns.
    [
        (1, 1, false),
        (3, 10, false),
        (16, 131, true),
        (17, 129, false),
        (16, 128, false),
        (700, 3, true),
        (300, 33, false),
    ]
    .into_iter()
    .map(|(rows, len, whole)| case(rows, len, whole, &mut random))
    .collect()
}

fn random(random: &mut Random) -> Result<Case> {
    let rows = random.length(700);
    let len = random.length((100_000 / rows).min(5_000));
    case(rows as usize, len as usize, random.flag(), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];

#[cfg(test)]
mod tests {
    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(super::plan(3, 8, 5, 2, 7).is_ok());
        for (rows, row_len, len, offset, out_len) in
            [(0, 8, 5, 0, 9), (3, 6, 5, 0, 9), (3, 8, 9, 0, 9), (3, 8, 5, 5, 9), (3, 8, 0, 0, 9)]
        {
            assert!(super::plan(rows, row_len, len, offset, out_len).is_err());
        }
        assert!(super::plan(3, 8, 5, u32::MAX, 9).is_err());
        assert!(super::plan(1 << 18, 1 << 14, 5, 0, 9).is_err());
    }
}
