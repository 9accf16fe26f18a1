//! Softmax cross-entropy, its gradient and the hits, `shaders/loss/softmax_cross_entropy.wgsl`.

use crate::{
    error::Result,
    kernels::{
        loss::rows::{RowLoss, Rows, WantedLosses, largest, weights},
        plan::{DispatchGrid, Plan},
        twin::{
            Case, Data, Random, Suite, nan_padded,
            numbers::{EPS, wide},
            suite,
        },
    },
};

crate::params! {
    /// Uniform block of `shaders/loss/softmax_cross_entropy.wgsl`.
    pub struct SoftmaxCrossEntropyParams {
        /// Copies times images.
        rows: u32,
        /// Images.
        n: u32,
        /// Classes without padding.
        classes: u32,
        /// Lanes per row.
        span: u32,
    }
}

crate::kernel! {
    KERNEL: "loss" / "softmax_cross_entropy", SoftmaxCrossEntropyParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/largest"],
    bindings: [
        ("logits", Read), ("labels", Read), ("weights", Read), ("dlogits", ReadWrite),
        ("row_loss", ReadWrite), ("correct", ReadWrite),
    ],
}

/// Loss and gradient of `copies` networks on the same `n` images; row r is image `r % n` of copy
/// `r / n`.
///
/// Bindings: logits f32 `[rows, C4 * 4]`; labels u32 `[n]`, each below `classes`; weights f32
/// `[copies]`, the factor of each copy's gradient (`1 / n` for a mean); dlogits like logits;
/// `row_loss` f32 `[rows]`, `-log p`, unweighted; correct u32 `[rows]`, 1 where the first largest
/// logit is the label's.
pub fn plan(copies: u32, n: u32, classes: u32) -> Result<Plan> {
    let of = Rows::new(copies, n, classes)?;
    let params = SoftmaxCrossEntropyParams { rows: of.rows, n, classes, span: of.span };
    let plan =
        Plan::new(&KERNEL, &params, DispatchGrid::Items(of.lanes), of.bytes(u64::from(n) * 4));
    // Two exponentials, each about ten operations.
    Ok(plan.costing(24 * of.logits.bytes() / 4))
}

/// `-log p[label]`, its gradient `weight (p - onehot)`, and whether the label has the first largest logit.
pub fn row(logits: &[f64], label: usize, weight: f64) -> RowLoss {
    let largest = largest(logits);
    let sum: f64 = logits.iter().map(|l| (l - largest).exp()).sum();
    let p = |i: usize| (logits[i] - largest).exp() / sum;
    let others: f64 = (0..logits.len()).filter(|&i| i != label).map(p).sum();
    let gradient = |i: usize| match () {
        () if sum.is_nan() => f64::NAN, // even with one class, where others is 0
        () if i == label => -others,
        () => p(i),
    };
    RowLoss {
        loss: sum.ln() + largest - logits[label],
        dlogits: (0..logits.len()).map(|i| weight * gradient(i)).collect(),
        correct: logits.iter().position(|&l| l == largest || l.is_nan()) == Some(label),
    }
}

/// Bounds of loss and gradient. `exp(d)` with d = l - max: WGSL allows 3 + 2 |d| ulp, and d itself
/// is rounded: r = (4 + 3 |d|) eps. Sums of K terms add K eps, quotient and weight 4 eps. The
/// logarithm may be off by 2^-21 near 1 and by 3 ulp elsewhere.
fn bounds(logits: &[f64], label: usize, weight: f64) -> (f64, Vec<f64>) {
    let largest = largest(logits);
    let e = |l: f64| (l - largest).exp();
    // The exponential of -infinity is exactly 0.
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
    let (weights, mut wanted) = (weights(copies, n), WantedLosses::default());
    for (r, l) in wide(logits).chunks(classes as usize).enumerate() {
        let (copy, image) = (r / n as usize, r % n as usize);
        let (own, weight) = (labels[image] as usize, f64::from(weights[copy]));
        wanted.push(row(l, own, weight), bounds(l, own, weight));
    }
    Ok(Case {
        label: format!("[copies={copies} n={n} classes={classes}]{label}"),
        plan: plan(copies, n, classes)?,
        data: [
            Data::input(&nan_padded(logits, classes)),
            Data::input(&labels),
            Data::input(&weights),
        ]
        .into_iter()
        .chain(wanted.outputs(classes))
        .collect(),
    })
}

fn cases() -> Result<Vec<Case>> {
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
    // Whole numbers from -1 to 1: most rows have ties, in which the first class wins.
    for (n, classes) in [(40, 5), (20, 140)] {
        let logits = random.integers((n * classes) as usize, 1);
        cases.push(case(1, n, classes, " ties", &logits, &mut random)?);
    }
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
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

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
