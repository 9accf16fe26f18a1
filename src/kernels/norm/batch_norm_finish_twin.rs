//! Twin of `shaders/norm/batch_norm_finish.wgsl`.

use crate::{
    error::Result,
    kernels::{
        norm,
        reduce::chunking::Chunking,
        twin::{
            Case, Data, Random, Want, nan_padded,
            numbers::{EPS, wide},
        },
    },
    shape::Nhwc,
};

/// Statistics of one channel over n pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Channel {
    /// Mean.
    pub mean: f64,
    /// Sum of squared deviations.
    pub m2: f64,
    /// How far an f32 kernel's `m2` may be off: see [`merge`].
    m2_bound: f64,
    /// The same for `mean`.
    mean_bound: f64,
}

/// Merges (n, mean, M2) of the chunks of one channel.
///
/// Bounds for K chunks, with S the mean distance of the chunks' means from the first: the mean has
/// K + 6 roundings of S and one of its own, e in all; M2 has K + 6 roundings of itself, and e in
/// every deviation.
#[must_use]
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
#[must_use]
pub fn normalisers(stats: &[[f64; 2]], n: f64, eps: f64) -> Vec<f64> {
    let means = stats.iter().map(|s| s[0]);
    means.chain(stats.iter().map(|s| 1.0 / (s[1] / n + eps).sqrt())).collect()
}

fn case(shape: Nhwc, images: u32, random: &mut Random, offset: f32) -> Result<Case> {
    let (eps, momentum) = (1e-5, 0.1);
    let (c, n) = (shape.c as usize, f64::from(shape.pixels()));
    // The parts one after the other, each cut into chunks from its own start.
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
        plan: norm::batch_norm_finish::plan(shape, part, eps, momentum)?,
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

/// Cases of [`norm::batch_norm_finish`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
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
    shapes.into_iter().map(|(s, images, offset)| case(s, images, &mut random, offset)).collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let shape = random.images(60_000);
    // Two pixels at least: the unbiased variance divides by one less.
    let shape = if shape.pixels() == 1 { Nhwc { w: 2, ..shape } } else { shape };
    let images = random.between(1, shape.n);
    case(shape, images, random, [0.0, 10.0, 1000.0][images as usize % 3])
}
