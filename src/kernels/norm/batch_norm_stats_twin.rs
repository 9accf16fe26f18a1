//! Twin of `shaders/norm/batch_norm_stats.wgsl`.

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

/// Mean and sum of squared deviations of each channel of `[pixels, c]`.
#[must_use]
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

/// The same for every chunk, `[chunks, 2, c]`.
#[must_use]
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
/// is off by e = (n + 3) eps A. Deviations from it sum to within s = (n + 4) eps n (D + e), which
/// is what the corrected mean keeps, next to its last rounding. The squares sum to M2 + n e^2
/// within (n + 6) eps of it, and the correction is off by 2 (e + s / n) s.
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

fn case(label: &str, shape: Nhwc, values: &[f32], exact: bool) -> Result<Case> {
    let (x, chunk) = (wide(values), Chunking::of(shape)?.chunk);
    let partial = partial(&x, shape.c, chunk);
    let bounds = if exact { vec![0.0; partial.len()] } else { bounds(&x, shape.c, chunk) };
    Ok(Case {
        label: format!("{shape}{label}"),
        plan: norm::batch_norm_stats::plan(shape)?,
        data: vec![
            Data::input(&nan_padded(values, shape.c)),
            Data::Output(Want::channels_bounded(&partial, &bounds, shape.c)),
        ],
    })
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let shape = random.images(40_000);
    let offset = random.of(&[0.0, 1.0, 1000.0]);
    let values = random.floats((shape.pixels() * shape.c) as usize);
    let values: Vec<f32> = values.iter().map(|v| v + offset).collect();
    case(&format!(" mean {offset}"), shape, &values, false)
}

/// Cases of [`norm::batch_norm_stats`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut random = Random::new(2);
    let mut push = |label: &str, shape: Nhwc, values: Vec<f32>, exact: bool| {
        cases.push(case(label, shape, &values, exact)?);
        Ok::<_, crate::Error>(())
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
    // A mean a thousand times the deviation: E[x^2] - E[x]^2 would lose everything.
    let shape = Nhwc::new(2, 13, 11, 5);
    let offset = random.floats(len(shape)).iter().map(|v| 1000.0 + v).collect();
    push(" mean 1000", shape, offset, false)?;
    // Constant channels: nothing but the rounding of the sum, which the second pass must take back.
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
