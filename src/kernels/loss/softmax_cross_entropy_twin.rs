//! Twin of `shaders/loss/softmax_cross_entropy.wgsl`.

use crate::{
    error::Result,
    kernels::{
        loss,
        twin::{
            Case, Data, Random, Want, nan_padded,
            numbers::{EPS, wide},
        },
    },
};

/// Cross-entropy of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// `-log p[label]`.
    pub loss: f64,
    /// `weight (p - onehot)`.
    pub dlogits: Vec<f64>,
    /// Whether the first largest logit is the label's.
    pub correct: bool,
}

/// Loss, gradient and hit of one row of logits.
#[must_use]
pub fn row(logits: &[f64], label: usize, weight: f64) -> Row {
    let largest = largest(logits);
    let sum: f64 = logits.iter().map(|l| (l - largest).exp()).sum();
    let p = |i: usize| (logits[i] - largest).exp() / sum;
    let others: f64 = (0..logits.len()).filter(|&i| i != label).map(p).sum();
    let gradient = |i: usize| match () {
        () if sum.is_nan() => f64::NAN, // of all classes, were there no others
        () if i == label => -others,
        () => p(i),
    };
    Row {
        loss: sum.ln() + largest - logits[label],
        dlogits: (0..logits.len()).map(|i| weight * gradient(i)).collect(),
        correct: logits.iter().position(|&l| l == largest || l.is_nan()) == Some(label),
    }
}

/// The largest number, or the first NaN: `f64::max` would drop it.
pub(crate) fn largest(logits: &[f64]) -> f64 {
    let nan = logits.iter().copied().find(|l| l.is_nan());
    nan.unwrap_or_else(|| logits.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// Bounds of loss and gradient. `exp(d)` with d = l - max: WGSL allows 3 + 2 |d| ulp, and d itself
/// is rounded: r = (4 + 3 |d|) eps. Sums of K terms add K eps, quotient and weight 4 eps. The
/// logarithm may be off by 2^-21 near 1 and by 3 ulp elsewhere.
fn bounds(logits: &[f64], label: usize, weight: f64) -> (f64, Vec<f64>) {
    let largest = largest(logits);
    let e = |l: f64| (l - largest).exp();
    // The exponential of -infinity is 0 exactly.
    let r = |l: f64| if e(l) == 0.0 { 0.0 } else { (4.0 + 3.0 * (l - largest).abs()) * EPS };
    let k = logits.len() as f64;
    let total = |skip: Option<usize>| {
        let kept =
            || logits.iter().enumerate().filter(move |&(i, _)| Some(i) != skip).map(|(_, &l)| l);
        (kept().map(e).sum::<f64>(), kept().map(|l| e(l) * (r(l) + k * EPS)).sum::<f64>())
    };
    let ((sum, sum_error), (others, others_error)) = (total(None), total(Some(label)));
    let relative = sum_error / sum + 4.0 * EPS;
    let gradient = |(i, &l): (usize, &f64)| {
        let (top, error) = if i == label { (others, others_error) } else { (e(l), e(l) * r(l)) };
        // The last summand: exponentials below the smallest normal number may become 0.
        weight.abs() * ((error + top * relative) / sum) + 1e-37
    };
    let own = (logits[label] - largest).abs();
    let loss =
        2f64.powi(-21) + 3.0 * EPS * sum.ln().abs() + relative + 3.0 * EPS * (own + sum.ln());
    (loss, logits.iter().enumerate().map(gradient).collect())
}

fn case(
    copies: u32,
    n: u32,
    classes: u32,
    label: &str,
    logits: &[f32],
    random: &mut Random,
) -> Result<Case> {
    let labels: Vec<u32> = (0..n).map(|_| random.below(classes)).collect();
    let weights: Vec<f32> = (0..copies).map(|k| (k as f32 + 0.7) / n as f32).collect();
    let (mut dlogits, mut d_bounds) = (Vec::new(), Vec::new());
    let (mut losses, mut l_bounds, mut correct) = (Vec::new(), Vec::new(), Vec::new());
    for (r, l) in wide(logits).chunks(classes as usize).enumerate() {
        let (copy, image) = (r / n as usize, r % n as usize);
        let (own, weight) = (labels[image] as usize, f64::from(weights[copy]));
        let row = row(l, own, weight);
        let (loss, d) = bounds(l, own, weight);
        dlogits.extend(row.dlogits);
        d_bounds.extend(d);
        losses.push(row.loss);
        l_bounds.push(loss);
        correct.push(u32::from(row.correct));
    }
    Ok(Case {
        label: format!("[copies={copies} n={n} classes={classes}]{label}"),
        plan: loss::softmax_cross_entropy::plan(copies, n, classes)?,
        data: vec![
            Data::input(&nan_padded(logits, classes)),
            Data::input(&labels),
            Data::input(&weights),
            Data::Output(Want::channels_bounded(&dlogits, &d_bounds, classes)),
            Data::Output(Want::bounded(losses, l_bounds)),
            Data::Output(Want::words(correct)),
        ],
    })
}

/// Cases of [`loss::softmax_cross_entropy`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(10);
    let mut cases = Vec::new();
    for (copies, n, classes, scale, offset, label) in [
        (1, 1, 1, 1.0, 0.0, ""),
        (1, 2, 3, 4.0, 0.0, ""),
        (3, 7, 10, 4.0, 0.0, ""),
        (2, 3, 43, 4.0, 0.0, ""),
        (1, 3, 129, 4.0, 0.0, ""),
        (1, 2, 2051, 4.0, 0.0, ""),
        (2, 9, 10, 60.0, 0.0, " nearly sure"),
        (1, 5, 10, 4.0, 30_000.0, " large"),
        (1, 5, 10, 4.0, -30_000.0, " very negative"),
    ] {
        let logits: Vec<f32> = random
            .floats((copies * n * classes) as usize)
            .iter()
            .map(|v| v * scale + offset)
            .collect();
        cases.push(case(copies, n, classes, label, &logits, &mut random)?);
    }
    // Whole numbers from -1 to 1: most rows have ties, which the first one wins.
    for (n, classes) in [(40, 5), (20, 140)] {
        let logits = random.integers((n * classes) as usize, 1);
        cases.push(case(1, n, classes, " ties", &logits, &mut random)?);
    }
    Ok(cases)
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let (copies, classes) = (random.length(9), random.length(300));
    let n = random.length((20_000 / (copies * classes)).max(1));
    let len = (copies * n * classes) as usize;
    if random.below(4) == 0 {
        let logits = random.integers(len, 1);
        return case(copies, n, classes, " ties", &logits, random);
    }
    let (scale, offset) = random.of(&[(4.0, 0.0), (60.0, 0.0), (4.0, 30_000.0), (4.0, -30_000.0)]);
    let logits: Vec<f32> = random.floats(len).iter().map(|v| v * scale + offset).collect();
    case(copies, n, classes, "", &logits, random)
}
