//! Sum of a weight gradient's partial results, `shaders/conv/weight_gradient.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{Accumulate, DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, suite},
    },
    shape::Rsck,
};

crate::params! {
    /// Uniform block of `shaders/conv/weight_gradient.wgsl`.
    pub struct WeightGradientParams {
        /// Number of partial results.
        chunks: u32,
        /// Kernel rows.
        r: u32,
        /// Kernel columns.
        s: u32,
        /// Channels in: rows of a partial result.
        c: u32,
        /// Channels out: columns of a partial result.
        k: u32,
        /// 1 for the order `[C, K, R, S]`, 0 for `[K, C, R, S]`.
        row_major_c: u32,
        /// Index of the tensor's first float in `gradients`.
        offset: u32,
        /// Whether the sum is added to what is there.
        accumulate: u32,
    }
}

crate::kernel! {
    KERNEL: "conv" / "weight_gradient", WeightGradientParams,
    lib: ["lib/grid", "lib/each"],
    bindings: [("partial", Read), ("gradients", ReadWrite)],
}

/// Sums `chunks` partial results of shape `w` into the flat gradients at `offset`. The sum replaces
/// what is there, or is added to it for the later parts of a batch.
///
/// # Errors
/// The tensor does not fit the gradients.
pub fn plan(
    w: Rsck,
    chunks: u32,
    row_major_c: bool,
    offset: u32,
    gradients_len: u32,
    into: Accumulate,
) -> Result<Plan> {
    if offset.checked_add(w.len()).is_none_or(|end| end > gradients_len) {
        return Err(Error::Shape(format!("{w} at {offset} is past {gradients_len} gradients")));
    }
    let params = WeightGradientParams {
        chunks,
        r: w.r,
        s: w.s,
        c: w.c,
        k: w.k,
        row_major_c: u32::from(row_major_c),
        offset,
        accumulate: u32::from(into == Accumulate::Add),
    };
    let bytes = vec![w.bytes() * u64::from(chunks), u64::from(gradients_len) * 4];
    Ok(Plan::new(&KERNEL, &params, DispatchGrid::Items(u64::from(w.len())), bytes)
        .costing(u64::from(w.len()) * u64::from(chunks)))
}

/// The sum over partial results `[chunks][R][S][C][K]` (padded), in PyTorch's order, with the sum of
/// absolute values beside it.
fn sum(w: Rsck, chunks: usize, row_major_c: bool, partial: &[f32]) -> Vec<(f64, f64)> {
    let (rows, columns) = (w.c.next_multiple_of(4) as usize, w.k.next_multiple_of(4) as usize);
    let (taps, c, k) = ((w.r * w.s) as usize, w.c as usize, w.k as usize);
    let mut out = Vec::new();
    let (outer, inner) = if row_major_c { (c, k) } else { (k, c) };
    for a in 0..outer {
        for b in 0..inner {
            let (c, k) = if row_major_c { (a, b) } else { (b, a) };
            for tap in 0..taps {
                let at = |j: usize| partial[((j * taps + tap) * rows + c) * columns + k];
                let terms = (0..chunks).map(|j| f64::from(at(j)));
                out.push((terms.clone().sum(), terms.map(f64::abs).sum()));
            }
        }
    }
    out
}

/// A case with more workgroups of 32 invocations than one dimension of a dispatch allows. Only this
/// kernel has such a case, because its workgroups cost least.
const MANY: (Rsck, u32, bool) = (Rsck { r: 1, s: 1, c: 1_449, k: 1_448 }, 1, false);

fn case(
    (w, chunks, row_major_c): (Rsck, u32, bool),
    exact: bool,
    into: Accumulate,
    random: &mut Random,
) -> Result<Case> {
    let len = (w.padded_len() * chunks) as usize;
    let partial = if exact { random.integers(len, 100) } else { random.floats(len) };
    let (offset, after) = (3, 6);
    let all = (offset + w.len() + after) as usize;
    let before = if exact { random.integers(all, 100) } else { random.floats(all) };
    let mut want: Vec<f64> = before.iter().map(|&v| f64::from(v)).collect();
    let mut bounds = vec![0.0; want.len()];
    for (i, (value, size)) in sum(w, chunks as usize, row_major_c, &partial).into_iter().enumerate()
    {
        let at = offset as usize + i;
        let earlier = if into == Accumulate::Add { want[at] } else { 0.0 };
        want[at] = earlier + value;
        let error = f64::from(chunks + 1) * f64::from(f32::EPSILON) * (size + earlier.abs());
        bounds[offset as usize + i] = if exact { 0.0 } else { error };
    }
    let total = offset + w.len() + after;
    Ok(Case {
        label: format!("{w} x{chunks} {into:?} {}", if exact { "integers" } else { "floats" }),
        plan: plan(w, chunks, row_major_c, offset, total, into)?,
        data: vec![Data::input(&partial), Data::in_out(&before, Want::bounded(want, bounds))],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (w, chunks, row_major_c) in [
        (Rsck::new(1, 1, 1, 1), 1, false),
        (Rsck::new(3, 3, 3, 10), 5, false),
        (Rsck::new(2, 4, 7, 5), 3, true),
        (Rsck::new(3, 3, 16, 8), 17, true),
        MANY,
    ] {
        for (exact, into) in [
            (false, Accumulate::Replace),
            (true, Accumulate::Replace),
            (false, Accumulate::Add),
            (true, Accumulate::Add),
        ] {
            if (w, chunks, row_major_c) == MANY && (!exact || into == Accumulate::Add) {
                continue;
            }
            let mut random = Random::new(w.len() + chunks);
            cases.push(case((w, chunks, row_major_c), exact, into, &mut random)?);
        }
    }
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    let (r, s, c) = (random.between(1, 5), random.between(1, 5), random.length(140));
    let k = random.length((20_000 / (r * s * c)).clamp(1, 140));
    let chunks = random.length((100_000 / (r * s * (c + 3) * (k + 3))).clamp(1, 40));
    let into = random.of(&[Accumulate::Replace, Accumulate::Add]);
    case((Rsck::new(r, s, c, k), chunks, random.flag()), random.flag(), into, random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
