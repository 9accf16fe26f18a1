//! Distillation loss: the distance of copies of a network from a teacher's answers,
//! `shaders/loss/distillation_loss.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        loss::rows::{RowLoss, Rows, WantedLosses, largest, weights},
        plan::{DispatchGrid, Plan},
        twin::{
            Case, Data, Random, Suite, nan_padded,
            numbers::{EPS, wide},
            suite,
        },
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/loss/distillation_loss.wgsl`.
    pub struct DistillationLossParams {
        /// Copies times images.
        rows: u32,
        /// Images.
        n: u32,
        /// Classes without padding.
        classes: u32,
        /// Lanes per row.
        span: u32,
        /// Temperature that the logits are divided by.
        temperature: f32,
        /// `1 / temperature`.
        inverse: f32,
    }
}

crate::kernel! {
    KERNEL: "loss" / "distillation_loss", DistillationLossParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/largest"],
    bindings: [
        ("logits", Read), ("teacher", Read), ("weights", Read), ("dlogits", ReadWrite),
        ("row_loss", ReadWrite), ("correct", ReadWrite),
    ],
}

/// Whether logits can be divided by a temperature. The temperature, its square, which multiplies the loss, and its
/// reciprocal must be normal numbers above 0 in f32.
pub fn takes(temperature: f32) -> bool {
    let ordinary = [temperature, temperature * temperature, 1.0 / temperature];
    temperature > 0.0 && ordinary.iter().all(|v| v.is_normal())
}

/// Loss and gradient of `copies` networks on the same `n` images that learn the teacher's answers. The loss is `T^2
/// KL(softmax(teacher / T) || softmax(logits / T))` with T the temperature (Hinton et al., arXiv:1503.02531: with `T^2`
/// gradients are as large at every temperature); row r is image `r % n` of copy `r / n`.
///
/// Bindings: logits f32 `[rows, C4 * 4]`; teacher f32 `[n, C4 * 4]`; weights f32 `[copies]`, the factor
/// of each copy's gradient (`1 / n` for a mean); dlogits like logits; `row_loss` f32 `[rows]`, unweighted;
/// correct u32 `[rows]`, 1 where the first largest logits of copy and teacher are of the same class.
///
/// # Errors
/// There is nothing to compute, more than 32-bit indices reach, or a temperature that f32 cannot divide by ([`takes`]).
pub fn plan(copies: u32, n: u32, classes: u32, temperature: f32) -> Result<Plan> {
    let of = Rows::new(copies, n, classes)?;
    if !takes(temperature) {
        return Err(Error::Shape(format!("logits cannot be divided by {temperature}")));
    }
    let inverse = (1.0 / f64::from(temperature)) as f32;
    let Rows { rows, span, .. } = of;
    let params = DistillationLossParams { rows, n, classes, span, temperature, inverse };
    let bytes = of.bytes(Nhwc { n: 1, ..of.logits }.bytes());
    // Four exponentials, each about ten operations.
    let plan = Plan::new(&KERNEL, &params, DispatchGrid::Items(of.lanes), bytes);
    Ok(plan.costing(54 * of.logits.bytes() / 4))
}

/// Loss of a row of logits against the teacher's, `T^2 sum p (log p - log q)`, its gradient `weight T (q - p)`, and
/// whether the first largest logits of both are of the same class.
pub fn row(logits: &[f64], teacher: &[f64], temperature: f64, weight: f64) -> RowLoss {
    let (z, t) = (Softmax::of(logits, temperature), Softmax::of(teacher, temperature));
    let classes = 0..logits.len();
    // A class with p = 0 adds 0; if log q is infinite, it adds NaN, as in 0 log 0 - 0 log q.
    let term = |i: usize| {
        let (p, log_p) = (t.p(i), t.log_p(i));
        (if p == 0.0 { 0.0 } else { p * log_p }) - p * z.log_p(i)
    };
    let gradient = |i: usize| {
        // For the teacher's answer, q - p would cancel where both are confident: even in f64 it would be off by as much
        // as the kernel's bound. The sums over the other classes do not cancel.
        let apart = if i == t.answer { t.others(i) - z.others(i) } else { z.p(i) - t.p(i) };
        weight * temperature * if (z.sum + t.sum).is_nan() { f64::NAN } else { apart }
    };
    RowLoss {
        loss: temperature * temperature * classes.clone().map(term).sum::<f64>(),
        dlogits: classes.map(gradient).collect(),
        correct: z.answer == t.answer,
    }
}

/// A softmax at a temperature.
struct Softmax {
    /// Differences of the logits from the largest, divided by the temperature.
    scaled: Vec<f64>,
    /// Sum of their exponentials.
    sum: f64,
    /// Index of the first largest logit, or of the first NaN.
    answer: usize,
}

impl Softmax {
    fn of(logits: &[f64], temperature: f64) -> Self {
        let largest = largest(logits);
        let scaled: Vec<f64> = logits.iter().map(|l| (l - largest) / temperature).collect();
        let answer = logits.iter().position(|&l| l == largest || l.is_nan()).unwrap_or(0);
        Self { sum: scaled.iter().map(|d| d.exp()).sum(), scaled, answer }
    }

    fn p(&self, i: usize) -> f64 {
        self.scaled[i].exp() / self.sum
    }

    fn log_p(&self, i: usize) -> f64 {
        self.scaled[i] - self.sum.ln()
    }

    /// Sum of the probabilities of all classes but one.
    fn others(&self, but: usize) -> f64 {
        (0..self.scaled.len()).filter(|&i| i != but).map(|i| self.p(i)).sum()
    }

    /// Relative error of an exponential. With d the scaled logit, WGSL allows `exp` an error of 3 + 2 |d| ulp; d is
    /// rounded three times (difference, 1 / T, product) and so off by 1.5 |d| eps. The exponential of -infinity is
    /// exactly 0.
    fn error_of_exp(&self, i: usize) -> f64 {
        let d = self.scaled[i];
        if d.exp() == 0.0 { 0.0 } else { (4.0 + 4.0 * d.abs()) * EPS }
    }

    /// Absolute error of the sum of the exponentials that `kept` selects; K terms are added.
    fn error_of_sum(&self, kept: impl Fn(usize) -> bool) -> f64 {
        let k = self.scaled.len();
        let error = |i: usize| self.scaled[i].exp() * (self.error_of_exp(i) + k as f64 * EPS);
        (0..k).filter(|&i| kept(i)).map(error).sum()
    }

    /// Relative error of a division by the sum, without that of the numerator.
    fn error_of_quotient(&self) -> f64 {
        self.error_of_sum(|_| true) / self.sum + 3.0 * EPS
    }

    /// Absolute error of the probability of a class or, with `others`, of the sum of the other probabilities.
    fn error(&self, i: usize, others: bool) -> f64 {
        let (value, numerator) = match others {
            true => (self.others(i), self.error_of_sum(|j| j != i) / self.sum),
            false => (self.p(i), self.p(i) * self.error_of_exp(i)),
        };
        numerator + value * self.error_of_quotient()
    }
}

/// Bounds of loss and gradient, from the errors of the two softmaxes: a difference of two values and three
/// products add 2 eps of both. The distance of two scaled logits is off by 1.5 eps of each and by its own
/// rounding. The logarithm may be off by 2^-21 near 1 and by 3 ulp elsewhere.
fn bounds(logits: &[f64], teacher: &[f64], temperature: f64, weight: f64) -> (f64, Vec<f64>) {
    let (z, t) = (Softmax::of(logits, temperature), Softmax::of(teacher, temperature));
    let k = logits.len();
    let gradient = |i: usize| {
        let others = i == t.answer;
        let value = |s: &Softmax| if others { s.others(i) } else { s.p(i) };
        let of = |s: &Softmax| s.error(i, others) + 2.0 * EPS * value(s);
        // The last summand: exponentials below the smallest normal number may become 0.
        (weight * temperature).abs() * (of(&z) + of(&t) + 1e-37)
    };
    let (mut apart, mut error) = (0.0, 0.0);
    // A class with p = 0 adds nothing.
    for i in (0..k).filter(|&i| t.scaled[i] > f64::NEG_INFINITY) {
        let (a, b) = (t.scaled[i], z.scaled[i]);
        let (e, distance) = (a.exp(), (a - b).abs());
        apart += e * distance;
        let of_distance = 1.5 * EPS * (a.abs() + b.abs()) + EPS * distance;
        error += e * (distance * (t.error_of_exp(i) + (1 + k) as f64 * EPS) + of_distance);
        error += 2e-38 * distance;
    }
    let apart = apart / t.sum;
    let quotient = error / t.sum + apart * t.error_of_quotient();
    let ratio = (z.sum / t.sum).ln().abs();
    let log = 2f64.powi(-21) + z.error_of_quotient() + t.error_of_quotient() + 3.0 * EPS * ratio;
    let loss = quotient + log + 4.0 * EPS * (apart + ratio);
    (temperature * temperature * loss, (0..k).map(gradient).collect())
}

/// Parameters of a case.
#[derive(Clone, Copy)]
struct Shape {
    copies: u32,
    n: u32,
    classes: u32,
    temperature: f32,
}

impl Shape {
    fn case(self, label: &str, logits: &[f32], teacher: &[f32]) -> Result<Case> {
        let Self { copies, n, classes, temperature } = self;
        let (weights, mut wanted) = (weights(copies, n), WantedLosses::default());
        let taught = wide(teacher);
        for (r, z) in wide(logits).chunks(classes as usize).enumerate() {
            let (copy, image) = (r / n as usize, r % n as usize);
            let t = &taught[image * classes as usize..][..classes as usize];
            let (at, weight) = (f64::from(temperature), f64::from(weights[copy]));
            wanted.push(row(z, t, at, weight), bounds(z, t, at, weight));
        }
        Ok(Case {
            label: format!("[copies={copies} n={n} classes={classes} T={temperature}]{label}"),
            plan: plan(copies, n, classes, temperature)?,
            data: [nan_padded(logits, classes), nan_padded(teacher, classes), weights]
                .iter()
                .map(|values| Data::input(values))
                .chain(wanted.outputs(classes))
                .collect(),
        })
    }

    fn logits(self) -> usize {
        (self.copies * self.n * self.classes) as usize
    }

    /// Logits near a teacher's, such as trained copies give. The teacher is the more confident, the larger `scale`.
    fn near(self, random: &mut Random, scale: f32, offset: f32) -> [Vec<f32>; 2] {
        let len = (self.n * self.classes) as usize;
        let teacher: Vec<f32> = random.floats(len).iter().map(|v| v * scale + offset).collect();
        let noise = random.floats(self.logits());
        let logits = noise.iter().zip(teacher.iter().cycle()).map(|(noise, t)| t + noise);
        [logits.collect(), teacher]
    }
}

fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(23);
    let mut cases = Vec::new();
    for (copies, n, classes, temperature, scale, offset, label) in [
        (1, 1, 1, 1.0, 1.0, 0.0, ""),
        (1, 2, 3, 1.0, 4.0, 0.0, ""),
        (3, 7, 10, 1.0, 4.0, 0.0, ""),
        (3, 5, 10, 4.0, 4.0, 0.0, ""),
        (2, 3, 43, 0.5, 4.0, 0.0, ""),
        (1, 3, 129, 2.5, 4.0, 0.0, ""),
        (1, 2, 2051, 1.0, 4.0, 0.0, ""),
        (2, 9, 10, 1.0, 60.0, 0.0, " nearly sure"),
        (2, 9, 10, 3.0, 60.0, 0.0, " nearly sure"),
        (1, 5, 10, 1.0, 4.0, 30_000.0, " large"),
        (1, 5, 10, 20.0, 4.0, -30_000.0, " very negative"),
    ] {
        let shape = Shape { copies, n, classes, temperature };
        let [logits, teacher] = shape.near(&mut random, scale, offset);
        cases.push(shape.case(label, &logits, &teacher)?);
    }
    // Copies that are far from the teacher, and one that equals the teacher.
    let shape = Shape { copies: 3, n: 6, classes: 10, temperature: 2.0 };
    let far: Vec<f32> = random.floats(shape.logits()).iter().map(|v| 20.0 * v).collect();
    let teacher = far[..60].to_vec();
    cases.push(shape.case(" far", &far, &teacher)?);
    // A teacher that excludes a class (logit -infinity), with copies that exclude the same class, another one, and
    // none: the losses are NaN, infinite, and finite.
    let shape = Shape { copies: 3, n: 2, classes: 6, temperature: 1.0 };
    let [mut logits, mut teacher] = shape.near(&mut random, 4.0, 0.0);
    (teacher[1], teacher[7]) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
    let excluded = [Some(1), Some(2), None];
    for (row, of_row) in logits.chunks_mut(6).enumerate() {
        of_row[1] = 0.5;
        if let Some(class) = excluded[row / 2] {
            of_row[class] = f32::NEG_INFINITY;
        }
    }
    cases.push(shape.case(" classes excluded", &logits, &teacher)?);
    // Whole numbers from -1 to 1: most rows have ties, in which the first class wins for copy and teacher.
    for (n, classes) in [(40, 5), (20, 140)] {
        let shape = Shape { copies: 1, n, classes, temperature: 1.0 };
        let [logits, teacher] = [(); 2].map(|()| random.integers(shape.logits(), 1));
        cases.push(shape.case(" ties", &logits, &teacher)?);
    }
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    let (copies, classes) = (random.length(9), random.length(300));
    let n = random.length((20_000 / (copies * classes)).max(1));
    let temperature = random.of(&[1.0, 0.5, 2.0, 3.7, 20.0]);
    let shape = Shape { copies, n, classes, temperature };
    if random.below(4) == 0 {
        let logits = random.integers(shape.logits(), 1);
        let teacher = random.integers((n * classes) as usize, 1);
        return shape.case(" ties", &logits, &teacher);
    }
    let (scale, offset) = random.of(&[(4.0, 0.0), (60.0, 0.0), (4.0, 30_000.0), (4.0, -30_000.0)]);
    let [logits, teacher] = shape.near(random, scale, offset);
    shape.case("", &logits, &teacher)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
