//! Batch statistics of every channel: per chunk of pixels (`shaders/norm/batch_norm_stats.wgsl`), then of the whole
//! batch, with an update of the running statistics (`shaders/norm/batch_norm_finish.wgsl`).

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        reduce::chunking::{self, ChunkParams, Chunking},
        twin::{
            Case, Data, Random, Suite, Want, nan_padded,
            numbers::{EPS, wide},
            suite,
        },
    },
    shape::Nhwc,
};

crate::kernel! {
    STATS: "norm" / "batch_norm_stats", ChunkParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/chunks", "lib/reduce"],
    bindings: [("x", Read), ("partial", ReadWrite)],
}

/// Mean and sum of squared deviations of every chunk and channel.
///
/// Bindings: x `[N, H, W, C]`, partial f32 `[chunks, 2, C4 * 4]` (mean, M2).
pub fn plan_stats(x: Nhwc) -> Result<Plan> {
    plan_like(x, x)
}

/// Like [`plan_stats`], for one part of a batch in parts of the shape `part` (the last part may have fewer images).
/// Chunks are as large as those of a full part.
pub fn plan_like(x: Nhwc, part: Nhwc) -> Result<Plan> {
    let cut = Chunking::like(x, part)?;
    let bytes = vec![x.bytes(), chunking::partial_bytes(x, cut.chunks, 2)];
    let plan = Plan::new(&STATS, &cut.params(x), DispatchGrid::Groups(cut.groups), bytes);
    Ok(plan.costing(5 * x.bytes() / 4))
}

crate::params! {
    /// Uniform block of `shaders/norm/batch_norm_finish.wgsl`.
    pub struct BatchNormFinishParams {
        /// Pixels of the whole batch.
        pixels: u32,
        /// Channels without padding.
        c: u32,
        /// Pixels of a full part.
        part: u32,
        /// Pixels per chunk.
        chunk: u32,
        /// Chunks of a full part.
        part_chunks: u32,
        /// Number of chunks.
        chunks: u32,
        /// Added to the variance.
        eps: f32,
        /// Share of the batch in the new running statistics.
        momentum: f32,
    }
}

crate::kernel! {
    FINISH: "norm" / "batch_norm_finish", BatchNormFinishParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/reduce"],
    bindings: [("partial", Read), ("running", ReadWrite), ("stats", ReadWrite)],
}

/// Normalisers of a batch `x` that came in parts of the shape `part` (the last may have fewer images), and an update of
/// the running statistics as PyTorch does it.
///
/// Bindings: partial f32 `[chunks, 2, C4 * 4]` of [`plan_stats`]; running f32
/// `[2, C4 * 4]` (mean, variance), changed in place; stats f32 `[2, C4 * 4]` (mean,
/// `1 / sqrt(variance + eps)`).
///
/// # Errors
/// A shape too large for 32-bit indices, a `part` of other images than `x`, or a single value per channel, which has no
/// variance.
pub fn plan_finish(x: Nhwc, part: Nhwc, eps: f32, momentum: f32) -> Result<Plan> {
    let (x, cut) = (x.checked()?, Chunking::of(part)?);
    if part.n > x.n || part != (Nhwc { n: part.n, ..x }) {
        return Err(Error::Shape(format!("{part} is no part of {x}")));
    }
    let chunks = chunking::chunks_of(x, part);
    if x.pixels() < 2 {
        return Err(Error::Shape(format!(
            "batch norm in training needs more than one value per channel; input is {x}"
        )));
    }
    let params = BatchNormFinishParams {
        pixels: x.pixels(),
        c: x.c,
        part: part.pixels(),
        chunk: cut.chunk,
        part_chunks: cut.chunks,
        chunks,
        eps,
        momentum,
    };
    let vectors = chunking::partial_bytes(x, 1, 2);
    let bytes = vec![chunking::partial_bytes(x, chunks, 2), vectors, vectors];
    let plan = Plan::new(&FINISH, &params, DispatchGrid::Groups(u64::from(x.c4())), bytes);
    Ok(plan.costing(2 * chunking::partial_bytes(x, chunks, 2)))
}

/// Mean and sum of squared deviations of each channel of `[pixels, c]`.
pub fn stats(x: &[f64], c: u32) -> Vec<[f64; 2]> {
    let c = c as usize;
    let n = (x.len() / c) as f64;
    let of = |channel: usize| {
        let mean = x.iter().skip(channel).step_by(c).sum::<f64>() / n;
        let m2 = x.iter().skip(channel).step_by(c).map(|v| (v - mean).powi(2)).sum();
        [mean, m2]
    };
    (0..c).map(of).collect()
}

/// [`stats`] of every chunk, `[chunks, 2, c]`.
pub fn partial(x: &[f64], c: u32, chunk: u32) -> Vec<f64> {
    let mut out = Vec::new();
    for pixels in x.chunks((chunk * c) as usize) {
        let stats = stats(pixels, c);
        out.extend(stats.iter().map(|s| s[0]));
        out.extend(stats.iter().map(|s| s[1]));
    }
    out
}

/// Bounds of [`partial`]. With A = mean |x| and D = mean |x - mean| over n pixels: the first mean
/// is off by e = (n + 3) eps A. The sum of the deviations from it is off by s = (n + 4) eps n (D + e), and so is the
/// corrected mean, apart from its last rounding. The squares sum to M2 + n e^2 within (n + 6) eps of it, and the
/// correction is off by 2 (e + s / n) s.
fn bounds(x: &[f64], c: u32, chunk: u32) -> Vec<f64> {
    let mut out = Vec::new();
    for pixels in x.chunks((chunk * c) as usize) {
        let n = (pixels.len() / c as usize) as f64;
        let (mut means, mut squares) = (Vec::new(), Vec::new());
        for (channel, [mean, m2]) in stats(pixels, c).into_iter().enumerate() {
            let column = || pixels.iter().skip(channel).step_by(c as usize);
            let a = column().map(|v| v.abs()).sum::<f64>() / n;
            let d = column().map(|v| (v - mean).abs()).sum::<f64>() / n;
            let e = (n + 3.0) * EPS * a;
            let s = (n + 4.0) * EPS * n * (d + e);
            means.push(EPS * mean.abs() + s / n);
            squares.push((n + 6.0) * EPS * (m2 + n * e * e) + 2.0 * (e + s / n) * s);
        }
        out.extend(means);
        out.extend(squares);
    }
    out
}

fn stats_case(label: &str, shape: Nhwc, values: &[f32], exact: bool) -> Result<Case> {
    let (x, chunk) = (wide(values), Chunking::of(shape)?.chunk);
    let partial = partial(&x, shape.c, chunk);
    let bounds = if exact { vec![0.0; partial.len()] } else { bounds(&x, shape.c, chunk) };
    Ok(Case {
        label: format!("{shape}{label}"),
        plan: plan_stats(shape)?,
        data: vec![
            Data::input(&nan_padded(values, shape.c)),
            Data::Output(Want::channels_bounded(&partial, &bounds, shape.c)),
        ],
    })
}

fn random_stats(random: &mut Random) -> Result<Case> {
    let shape = random.images(40_000);
    let offset = random.of(&[0.0, 1.0, 1000.0]);
    let values = random.floats((shape.pixels() * shape.c) as usize);
    let values: Vec<f32> = values.iter().map(|v| v + offset).collect();
    stats_case(&format!(" mean {offset}"), shape, &values, false)
}

fn stats_cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut random = Random::new(2);
    let mut push = |label: &str, shape: Nhwc, values: Vec<f32>, exact: bool| {
        cases.push(stats_case(label, shape, &values, exact)?);
        Ok::<_, Error>(())
    };
    let len = |shape: Nhwc| (shape.pixels() * shape.c) as usize;
    for shape in [
        Nhwc::new(1, 1, 1, 1),
        Nhwc::new(2, 3, 5, 3),
        Nhwc::new(1, 17, 31, 10),
        Nhwc::new(1, 257, 1, 33),
    ] {
        push("", shape, random.floats(len(shape)), false)?;
    }
    // A mean a thousand times the deviation: E[x^2] - E[x]^2 would lose all digits.
    let shape = Nhwc::new(2, 13, 11, 5);
    let offset = random.floats(len(shape)).iter().map(|v| 1000.0 + v).collect();
    push(" mean 1000", shape, offset, false)?;
    // Constant channels: the only deviation is the rounding of the sum, which the second pass must undo.
    let shape = Nhwc::new(1, 15, 17, 40);
    let constants: Vec<f32> = random.floats(40).iter().map(|v| 700.0 + 300.0 * v).collect();
    push(" constant", shape, constants.repeat(15 * 17), false)?;
    // Every other pixel is the negative of the one before: mean 0, and M2 a sum of whole numbers.
    let shape = Nhwc::new(3, 10, 10, 6);
    let half = random.integers(len(shape) / 2, 9);
    let pairs = half.chunks(6).flat_map(|p| [p.to_vec(), p.iter().map(|v| -v).collect()].concat());
    push(" integers", shape, pairs.collect(), true)?;
    Ok(cases)
}

/// Statistics of one channel over n pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Channel {
    pub mean: f64,
    /// Sum of squared deviations.
    pub m2: f64,
    /// How far an f32 kernel's `m2` may be off: see [`merge`].
    m2_bound: f64,
    /// How far an f32 kernel's `mean` may be off.
    mean_bound: f64,
}

/// Merges (n, mean, M2) of the chunks of one channel.
///
/// Bounds for K chunks, with S the mean distance of the chunks' means from the first: the mean has
/// K + 6 roundings of S and one of its own, e in all; M2 has K + 6 roundings of itself, and e in
/// every deviation.
pub fn merge(chunks: &[[f64; 3]]) -> Channel {
    let n: f64 = chunks.iter().map(|k| k[0]).sum();
    let mean = chunks.iter().map(|k| k[0] * k[1]).sum::<f64>() / n;
    let m2 = chunks.iter().map(|k| k[2] + k[0] * (k[1] - mean).powi(2)).sum();
    let turns = chunks.len() as f64 + 6.0;
    let spread = |from: f64| chunks.iter().map(|k| k[0] * (k[1] - from).abs()).sum::<f64>();
    let e = EPS * (mean.abs() + turns * spread(chunks[0][1]) / n);
    let m2_bound = turns * EPS * m2 + 2.0 * e * spread(mean) + n * e * e;
    Channel { mean, m2, m2_bound, mean_bound: e }
}

/// Normalisers of a batch as `[2, c]`: mean and `1 / sqrt(variance + eps)`.
pub fn normalisers(stats: &[[f64; 2]], n: f64, eps: f64) -> Vec<f64> {
    let means = stats.iter().map(|s| s[0]);
    means.chain(stats.iter().map(|s| 1.0 / (s[1] / n + eps).sqrt())).collect()
}

fn finish_case(shape: Nhwc, images: u32, random: &mut Random, offset: f32) -> Result<Case> {
    let (eps, momentum) = (1e-5, 0.1);
    let (c, n) = (shape.c as usize, f64::from(shape.pixels()));
    // Sizes of the chunks: the parts follow each other, and each is cut into chunks from its own start.
    let part = Nhwc { n: images, ..shape };
    let chunk = Chunking::of(part)?.chunk;
    let mut sizes = Vec::new();
    for first in (0..shape.n).step_by(images as usize) {
        let pixels = Nhwc { n: images.min(shape.n - first), ..shape }.pixels();
        sizes.extend((0..pixels).step_by(chunk as usize).map(|at| chunk.min(pixels - at)));
    }
    let mut partial = Vec::new();
    for &size in &sizes {
        partial.extend(random.floats(c).iter().map(|v| v + offset));
        partial.extend(random.floats(c).iter().map(|v| (v + 1.0).abs() * size as f32));
    }
    let mut running = random.floats(c);
    running.extend(random.floats(c).iter().map(|v| v + 2.0));

    let (at, before) = (wide(&partial), wide(&running));
    let channel = |i: usize| {
        let chunk = |(k, &size): (usize, &u32)| {
            [f64::from(size), at[2 * k * c + i], at[(2 * k + 1) * c + i]]
        };
        merge(&sizes.iter().enumerate().map(chunk).collect::<Vec<_>>())
    };
    let channels: Vec<Channel> = (0..c).map(channel).collect();
    let rows = |f: &dyn Fn(usize, &Channel) -> [f64; 2]| -> Vec<f64> {
        let each: Vec<_> = channels.iter().enumerate().map(|(i, s)| f(i, s)).collect();
        each.iter().map(|v| v[0]).chain(each.iter().map(|v| v[1])).collect()
    };
    let pairs: Vec<[f64; 2]> = channels.iter().map(|s| [s.mean, s.m2]).collect();
    let stats = normalisers(&pairs, n, f64::from(eps));
    let stats_bounds = rows(&|i, s| {
        // The reciprocal root of v halves v's relative error; itself and a division add 5 eps.
        let relative = 0.5 * s.m2_bound / n / (s.m2 / n + f64::from(eps)) + 5.0 * EPS;
        [s.mean_bound, relative * stats[c + i]]
    });
    let m = f64::from(momentum);
    let after = rows(&|i, s| {
        let unbiased = s.m2 / (n - 1.0);
        let keep = |row: f64, new: f64| (1.0 - m) * row + m * new;
        [keep(before[i], s.mean), keep(before[c + i], unbiased)]
    });
    let after_bounds = rows(&|i, s| {
        let mean = 4.0 * EPS * (before[i].abs() + s.mean.abs()) + s.mean_bound;
        let variance = (s.m2 * 4.0 * EPS + s.m2_bound) / (n - 1.0) + 4.0 * EPS * before[c + i];
        [mean, variance]
    });
    Ok(Case {
        label: format!("{shape} in parts of {images}, offset {offset}"),
        plan: plan_finish(shape, part, eps, momentum)?,
        data: vec![
            Data::input(&nan_padded(&partial, shape.c)),
            Data::in_out(
                &nan_padded(&running, shape.c),
                Want::channels_bounded(&after, &after_bounds, shape.c),
            ),
            Data::Output(Want::channels_bounded(&stats, &stats_bounds, shape.c)),
        ],
    })
}

fn finish_cases() -> Result<Vec<Case>> {
    let mut random = Random::new(3);
    let shapes = [
        (Nhwc::new(1, 1, 2, 1), 1, 0.0),
        (Nhwc::new(1, 257, 1, 3), 1, 0.0),
        (Nhwc::new(5, 40, 40, 10), 5, 0.0),
        (Nhwc::new(1, 256, 300, 4), 1, 0.0),
        (Nhwc::new(5, 40, 40, 33), 5, 1000.0),
        (Nhwc::new(7, 20, 15, 5), 3, 0.0),
        (Nhwc::new(6, 17, 16, 8), 2, 10.0),
    ];
    shapes
        .into_iter()
        .map(|(s, images, offset)| finish_case(s, images, &mut random, offset))
        .collect()
}

fn random_finish(random: &mut Random) -> Result<Case> {
    let shape = random.images(60_000);
    // At least two pixels: the unbiased variance divides by their number less one.
    let shape = if shape.pixels() == 1 { Nhwc { w: 2, ..shape } } else { shape };
    let images = random.between(1, shape.n);
    finish_case(shape, images, random, [0.0, 10.0, 1000.0][images as usize % 3])
}

/// The kernels with their cases.
pub static SUITES: [Suite; 2] =
    [suite!(STATS, stats_cases, random_stats), suite!(FINISH, finish_cases, random_finish)];
