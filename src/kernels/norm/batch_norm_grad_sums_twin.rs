//! Twin of `shaders/norm/batch_norm_grad_sums.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise::activation::Activation,
        norm,
        reduce::chunking::Chunking,
        twin::{
            Case, Data, Random, Want, nan_padded,
            numbers::{EPS, activate_back, scaled, slope_error, wide},
        },
    },
    shape::Nhwc,
};

/// What the sums are made of, each `[pixels, c]`; stats `[2, c]` (mean, `inv_std`).
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// Gradient of the output.
    pub dy: &'a [f64],
    /// Output.
    pub y: &'a [f64],
    /// Input.
    pub x: &'a [f64],
    /// Mean and `inv_std` of the batch.
    pub stats: &'a [f64],
    /// Activation of the output.
    pub act: Activation,
}

impl Operands<'_> {
    /// Channels.
    #[must_use]
    pub fn c(&self) -> usize {
        self.stats.len() / 2
    }

    /// `dy act'(y)` of element i.
    #[must_use]
    pub fn dz(&self, i: usize) -> f64 {
        activate_back(self.act, self.dy[i], self.y[i])
    }

    /// `(x - mean) inv_std` of element i.
    #[must_use]
    pub fn xhat(&self, i: usize) -> f64 {
        let channel = i % self.c();
        (self.x[i] - self.stats[channel]) * self.stats[self.c() + channel]
    }
}

/// `sum dz`, `sum dz xhat` as `[chunks, 2, c]`, and their bounds: a chunk's n terms have n + 6
/// roundings, and each slope its own error.
#[must_use]
pub fn partial(of: &Operands<'_>, chunk: u32) -> [Vec<f64>; 2] {
    let c = of.c();
    let step = chunk as usize * c;
    let (mut sums, mut bounds) = (Vec::new(), Vec::new());
    for start in (0..of.dy.len()).step_by(step) {
        let end = of.dy.len().min(start + step);
        let column = |channel: usize| (start + channel..end).step_by(c);
        let n = ((end - start) / c) as f64;
        let factors: [&dyn Fn(usize) -> f64; 2] = [&|_| 1.0, &|i| of.xhat(i)];
        for with in factors {
            for channel in 0..c {
                sums.push(column(channel).map(|i| of.dz(i) * with(i)).sum());
                let error = |i: usize| {
                    let roundings = (n + 6.0) * EPS * of.dz(i).abs();
                    (roundings + scaled(slope_error(of.act), of.dy[i].abs())) * with(i).abs()
                };
                bounds.push(column(channel).map(error).sum());
            }
        }
    }
    [sums, bounds]
}

/// Inputs of a backward pass: dy, y, x `[pixels, c]` and stats `[2, c]`, whole numbers or not.
pub(crate) fn inputs(shape: Nhwc, whole: bool, random: &mut Random) -> [Vec<f32>; 4] {
    let c = shape.c as usize;
    let len = shape.pixels() as usize * c;
    if whole {
        let inv_std: Vec<f32> = random.integers(c, 1).iter().map(|v| v.exp2()).collect();
        let mut draw = |len: usize| random.integers(len, 4);
        return [draw(len), draw(len), draw(len), [draw(c), inv_std].concat()];
    }
    let inv_std: Vec<f32> = random.floats(c).iter().map(|v| v + 1.5).collect();
    let mut draw = |len: usize| random.floats(len);
    [draw(len), draw(len), draw(len), [draw(c), inv_std].concat()]
}

fn case(shape: Nhwc, act: Activation, whole: bool, random: &mut Random) -> Result<Case> {
    let [dy, y, x, stats] = inputs(shape, whole, random);
    let [wdy, wy, wx, wstats] = [&dy, &y, &x, &stats].map(|v| wide(v));
    let of = Operands { dy: &wdy, y: &wy, x: &wx, stats: &wstats, act };
    let [sums, mut bounds] = partial(&of, Chunking::of(shape)?.chunk);
    if whole {
        bounds.fill(0.0);
    }
    let mut data: Vec<Data> =
        [dy, y, x, stats].iter().map(|v| Data::input(&nan_padded(v, shape.c))).collect();
    data.push(Data::Output(Want::channels_bounded(&sums, &bounds, shape.c)));
    Ok(Case {
        label: format!("{shape} {act:?}{}", if whole { " integers" } else { "" }),
        plan: norm::batch_norm_grad_sums::plan(shape, act)?,
        data,
    })
}

/// Cases of [`norm::batch_norm_grad_sums`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(5);
    let shapes = [
        (Nhwc::new(1, 1, 1, 1), Activation::None, false),
        (Nhwc::new(2, 3, 5, 3), Activation::Relu, false),
        (Nhwc::new(1, 17, 31, 10), Activation::Tanh, false),
        (Nhwc::new(1, 257, 1, 33), Activation::Relu, false),
        (Nhwc::new(3, 10, 10, 6), Activation::Relu, true),
    ];
    shapes.into_iter().map(|(shape, act, whole)| case(shape, act, whole, &mut random)).collect()
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let act = random.of(&[Activation::None, Activation::Relu, Activation::Tanh]);
    // Whole numbers are exact where no tanh is in the way.
    let whole = act != Activation::Tanh && random.flag();
    case(random.images(40_000), act, whole, random)
}
