//! Batch norm's gradient: sums per chunk of pixels (`shaders/norm/batch_norm_grad_sums.wgsl`), their totals
//! over the whole batch (`batch_norm_grad_finish.wgsl`), and the input's gradient from these
//! (`batch_norm_grad.wgsl`).

use crate::{
    error::{Error, Result},
    kernels::{
        elementwise::activation::Activation,
        norm::apply::{arena, fits},
        plan::{DispatchGrid, Plan},
        reduce::chunking::{self, ChunkParams, Chunking},
        twin::{
            Case, Data, Random, Suite, Want, nan_padded,
            numbers::{EPS, activate_back, scaled, slope_error, wide},
            suite,
        },
    },
    shape::Nhwc,
};

crate::kernel! {
    SUMS: "norm" / "batch_norm_grad_sums", ChunkParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/activation", "lib/chunks", "lib/reduce"],
    bindings: [
        ("dy", Read), ("y", Read), ("x", Read), ("stats", Read), ("partial", ReadWrite),
    ],
}

/// `sum dz` and `sum dz xhat` of every chunk and channel, with `dz = dy act'(y)`.
///
/// Bindings: dy, y, x `[N, H, W, C]`; stats f32 `[2, C4 * 4]` (mean, `inv_std`); partial f32
/// `[chunks, 2, C4 * 4]`.
pub fn plan_sums(x: Nhwc, act: Activation) -> Result<Plan> {
    plan_like(x, x, act)
}

/// Like [`plan_sums`], for one part of a batch in parts of the shape `part` (the last part may have fewer
/// images). Chunks are as large as those of a full part.
pub fn plan_like(x: Nhwc, part: Nhwc, act: Activation) -> Result<Plan> {
    let cut = Chunking::like(x, part)?;
    let stats = chunking::partial_bytes(x, 1, 2);
    let partial = chunking::partial_bytes(x, cut.chunks, 2);
    let bytes = vec![x.bytes(), x.bytes(), x.bytes(), stats, partial];
    let plan = Plan::new(&SUMS, &cut.params(x), DispatchGrid::Groups(cut.groups), bytes);
    Ok(plan.with("ACTIVATION", act.code()).costing(6 * x.bytes() / 4))
}

crate::params! {
    /// Uniform block of `shaders/norm/batch_norm_grad_finish.wgsl`.
    pub struct BatchNormGradFinishParams {
        /// Channels without padding.
        c: u32,
        /// Number of chunks.
        chunks: u32,
        /// Offset of gamma in `gradients`, in floats.
        gamma_offset: u32,
        /// Offset of beta in `gradients`, in floats.
        beta_offset: u32,
    }
}

crate::kernel! {
    FINISH: "norm" / "batch_norm_grad_finish", BatchNormGradFinishParams,
    lib: ["lib/grid", "lib/lanes", "lib/reduce"],
    bindings: [("partial", Read), ("sums", ReadWrite), ("gradients", ReadWrite)],
}

/// Sums over the chunks of [`plan_sums`], which are the gradients of beta and
/// gamma.
///
/// Bindings: partial f32 `[chunks, 2, C4 * 4]`; sums f32 `[2, C4 * 4]`; gradients f32
/// `[parameters_len]`, of which only those of gamma and beta are changed.
///
/// # Errors
/// A shape too large for 32-bit indices, no chunk, or gamma or beta past the end of `gradients`.
pub fn plan_finish(
    x: Nhwc,
    chunks: u32,
    gamma_offset: u32,
    beta_offset: u32,
    parameters_len: u32,
) -> Result<Plan> {
    let x = x.checked()?;
    if chunks == 0 {
        return Err(Error::Shape(format!("no chunk of {x}")));
    }
    fits("gamma", gamma_offset, x, parameters_len)?;
    fits("beta", beta_offset, x, parameters_len)?;
    let params = BatchNormGradFinishParams { c: x.c, chunks, gamma_offset, beta_offset };
    let partial = chunking::partial_bytes(x, chunks, 2);
    let bytes = vec![partial, chunking::partial_bytes(x, 1, 2), u64::from(parameters_len) * 4];
    let plan = Plan::new(&FINISH, &params, DispatchGrid::Groups(u64::from(x.c4())), bytes);
    Ok(plan.costing(partial / 4))
}

crate::params! {
    /// Uniform block of `shaders/norm/batch_norm_grad.wgsl`.
    pub struct BatchNormGradParams {
        /// Groups of four channels in the whole batch.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
        /// Offset of gamma in `parameters`, in floats.
        gamma_offset: u32,
        /// Pixels of the whole batch.
        pixels: u32,
    }
}

crate::kernel! {
    GRAD: "norm" / "batch_norm_grad", BatchNormGradParams,
    lib: ["lib/grid", "lib/each", "lib/lanes", "lib/parameters", "lib/special", "lib/activation"],
    bindings: [
        ("dy", Read), ("y", Read), ("x", Read), ("stats", Read), ("sums", Read),
        ("parameters", Read), ("dx", ReadWrite),
    ],
}

/// `dx = gamma inv_std (dz - sum dz / M - xhat sum dz xhat / M)` with `dz = dy act'(y)` and M
/// the `pixels` of the whole batch, of which x may be a part.
///
/// Bindings: dy, y, x `[N, H, W, C]`; stats (mean, `inv_std`) and sums (of
/// [`plan_finish`]) f32 `[2, C4 * 4]`; parameters f32 `[parameters_len]`; dx like
/// x.
///
/// # Errors
/// A shape too large for 32-bit indices, or gamma past the end of `parameters`.
pub fn plan_grad(
    x: Nhwc,
    pixels: u32,
    act: Activation,
    gamma_offset: u32,
    parameters_len: u32,
) -> Result<Plan> {
    let x = x.checked()?;
    fits("gamma", gamma_offset, x, parameters_len)?;
    let params = BatchNormGradParams { vec4s: x.vec4s(), c: x.c, gamma_offset, pixels };
    let vectors = chunking::partial_bytes(x, 1, 2);
    let parameters = u64::from(parameters_len) * 4;
    let bytes = vec![x.bytes(), x.bytes(), x.bytes(), vectors, vectors, parameters, x.bytes()];
    let plan = Plan::new(&GRAD, &params, DispatchGrid::Items(u64::from(x.vec4s())), bytes);
    Ok(plan.with("ACTIVATION", act.code()).costing(10 * x.bytes() / 4))
}

/// Inputs of the sums, each `[pixels, c]`; stats is `[2, c]` (mean, `inv_std`).
#[derive(Clone, Copy, Debug)]
pub struct GradInputs<'a> {
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

impl GradInputs<'_> {
    /// Channels.
    pub fn c(&self) -> usize {
        self.stats.len() / 2
    }

    /// `dy act'(y)` of element i.
    pub fn dz(&self, i: usize) -> f64 {
        activate_back(self.act, self.dy[i], self.y[i])
    }

    /// `(x - mean) inv_std` of element i.
    pub fn xhat(&self, i: usize) -> f64 {
        let channel = i % self.c();
        (self.x[i] - self.stats[channel]) * self.stats[self.c() + channel]
    }
}

/// `sum dz` and `sum dz xhat` as `[chunks, 2, c]`, and their bounds: a chunk's n terms are rounded n + 6
/// times, and each slope has its own error.
pub fn partial(of: &GradInputs<'_>, chunk: u32) -> [Vec<f64>; 2] {
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

fn sums_case((shape, act, whole): (Nhwc, Activation, bool), random: &mut Random) -> Result<Case> {
    let [dy, y, x, stats] = inputs(shape, whole, random);
    let [wdy, wy, wx, wstats] = [&dy, &y, &x, &stats].map(|v| wide(v));
    let of = GradInputs { dy: &wdy, y: &wy, x: &wx, stats: &wstats, act };
    let [sums, mut bounds] = partial(&of, Chunking::of(shape)?.chunk);
    if whole {
        bounds.fill(0.0);
    }
    let mut data: Vec<Data> =
        [dy, y, x, stats].iter().map(|v| Data::input(&nan_padded(v, shape.c))).collect();
    data.push(Data::Output(Want::channels_bounded(&sums, &bounds, shape.c)));
    Ok(Case {
        label: format!("{shape} {act:?}{}", if whole { " integers" } else { "" }),
        plan: plan_sums(shape, act)?,
        data,
    })
}

fn sums_cases() -> Result<Vec<Case>> {
    let mut random = Random::new(5);
    let shapes = [
        (Nhwc::new(1, 1, 1, 1), Activation::None, false),
        (Nhwc::new(2, 3, 5, 3), Activation::Relu, false),
        (Nhwc::new(1, 17, 31, 10), Activation::Tanh, false),
        (Nhwc::new(1, 257, 1, 33), Activation::Relu, false),
        (Nhwc::new(3, 10, 10, 6), Activation::Relu, true),
    ];
    shapes.into_iter().map(|of| sums_case(of, &mut random)).collect()
}

fn random_sums(random: &mut Random) -> Result<Case> {
    let act = random.of(Activation::ALL);
    // Whole numbers give exact results unless the activation is tanh.
    let whole = act != Activation::Tanh && random.flag();
    sums_case((random.images(40_000), act, whole), random)
}

/// Sum over the rows of `[rows, len]`.
pub fn sum_rows(partial: &[f64], len: usize) -> Vec<f64> {
    (0..len).map(|i| partial.iter().skip(i).step_by(len).sum()).collect()
}

fn finish_case(shape: Nhwc, whole: bool, random: &mut Random) -> Result<Case> {
    let (c, chunks) = (shape.c as usize, Chunking::of(shape)?.chunks);
    let len = chunks as usize * 2 * c;
    let partial = if whole { random.integers(len, 99) } else { random.floats(len) };
    let sums = sum_rows(&wide(&partial), 2 * c);
    // Adding a chunk rounds a number of at most the sum of absolute values.
    let absolute: Vec<f64> = partial.iter().map(|v| f64::from(v.abs())).collect();
    let per_chunk = if whole { 0.0 } else { EPS * f64::from(chunks) };
    let bounds: Vec<f64> = sum_rows(&absolute, 2 * c).iter().map(|a| per_chunk * a).collect();

    // Here gamma lies behind beta; the floats around both must not change.
    let (beta_at, gamma_at) = (2, c + 5);
    let before = random.floats(gamma_at + c + 3);
    let (mut after, mut after_bounds) = (wide(&before), vec![0.0; before.len()]);
    for (row, at) in [beta_at, gamma_at].into_iter().enumerate() {
        after[at..at + c].copy_from_slice(&sums[row * c..(row + 1) * c]);
        after_bounds[at..at + c].copy_from_slice(&bounds[row * c..(row + 1) * c]);
    }
    Ok(Case {
        label: format!("{shape}{}", if whole { " integers" } else { "" }),
        plan: plan_finish(shape, chunks, gamma_at as u32, beta_at as u32, before.len() as u32)?,
        data: vec![
            Data::input(&nan_padded(&partial, shape.c)),
            Data::Output(Want::channels_bounded(&sums, &bounds, shape.c)),
            Data::in_out(&before, Want::bounded(after, after_bounds)),
        ],
    })
}

fn finish_cases() -> Result<Vec<Case>> {
    let mut random = Random::new(6);
    let shapes = [
        (Nhwc::new(1, 1, 1, 1), false),
        (Nhwc::new(1, 257, 1, 3), false),
        (Nhwc::new(5, 40, 40, 10), false),
        (Nhwc::new(1, 256, 300, 5), true),
    ];
    shapes.into_iter().map(|(shape, whole)| finish_case(shape, whole, &mut random)).collect()
}

fn random_finish(random: &mut Random) -> Result<Case> {
    finish_case(random.images(200_000), random.flag(), random)
}

/// `gamma inv_std (dz - sum dz / n - xhat sum dz xhat / n)` with sums `[2, c]` over n pixels.
pub fn grad(of: &GradInputs<'_>, sums: &[f64], gamma: &[f64]) -> Vec<f64> {
    each(of, sums, gamma, |dz, mean, slant, _| dz - mean - slant)
}

/// Error bounds: ten roundings (two of them divisions) of each of the three terms, and the slope's own
/// error.
fn bounds(of: &GradInputs<'_>, sums: &[f64], gamma: &[f64]) -> Vec<f64> {
    let error = |dz: f64, mean: f64, slant: f64, dy: f64| {
        10.0 * EPS * (dz.abs() + mean.abs() + slant.abs()) + scaled(slope_error(of.act), dy.abs())
    };
    each(of, sums, gamma, error).iter().map(|b| b.abs()).collect()
}

fn each(
    of: &GradInputs<'_>,
    sums: &[f64],
    gamma: &[f64],
    combine: impl Fn(f64, f64, f64, f64) -> f64,
) -> Vec<f64> {
    let c = of.c();
    let n = (of.dy.len() / c) as f64;
    let element = |i: usize| {
        let channel = i % c;
        let (mean, slant) = (sums[channel] / n, of.xhat(i) * sums[c + channel] / n);
        gamma[channel] * of.stats[c + channel] * combine(of.dz(i), mean, slant, of.dy[i])
    };
    (0..of.dy.len()).map(element).collect()
}

fn grad_case((shape, act, whole): (Nhwc, Activation, bool), random: &mut Random) -> Result<Case> {
    let c = shape.c as usize;
    let [dy, y, x, stats] = inputs(shape, whole, random);
    let (gamma, sums): (Vec<f32>, Vec<f32>) = if whole {
        // Sums that are multiples of the number of pixels, so that divisions are exact.
        let sums = random.integers(2 * c, 4).iter().map(|v| v * shape.pixels() as f32).collect();
        (random.integers(c, 9), sums)
    } else {
        (random.floats(c), random.floats(2 * c).iter().map(|v| v * 20.0).collect())
    };
    let [wdy, wy, wx, wstats, wsums, wgamma] =
        [&dy, &y, &x, &stats, &sums, &gamma].map(|v| wide(v));
    let of = GradInputs { dy: &wdy, y: &wy, x: &wx, stats: &wstats, act };
    let dx = grad(&of, &wsums, &wgamma);
    let mut bounds = bounds(&of, &wsums, &wgamma);
    if whole {
        bounds.fill(0.0);
    }
    let mut data: Vec<Data> =
        [dy, y, x, stats, sums].iter().map(|v| Data::input(&nan_padded(v, shape.c))).collect();
    let total = shape.c + 9;
    data.push(Data::input(&arena(&gamma, &[], [7, 0], total)));
    data.push(Data::Output(Want::channels_bounded(&dx, &bounds, shape)));
    Ok(Case {
        label: format!("{shape} {act:?}{}", if whole { " integers" } else { "" }),
        plan: plan_grad(shape, shape.pixels(), act, 7, total)?,
        data,
    })
}

fn grad_cases() -> Result<Vec<Case>> {
    let mut random = Random::new(7);
    let shapes = [
        (Nhwc::new(1, 1, 2, 1), Activation::None, false),
        (Nhwc::new(2, 3, 5, 3), Activation::Relu, false),
        (Nhwc::new(1, 9, 7, 10), Activation::Tanh, false),
        (Nhwc::new(4, 4, 4, 33), Activation::Relu, true),
    ];
    shapes.into_iter().map(|of| grad_case(of, &mut random)).collect()
}

fn random_grad(random: &mut Random) -> Result<Case> {
    let act = random.of(Activation::ALL);
    grad_case((random.images(20_000), act, false), random)
}

/// The kernels with their cases.
pub static SUITES: [Suite; 3] = [
    suite!(SUMS, sums_cases, random_sums),
    suite!(FINISH, finish_cases, random_finish),
    suite!(GRAD, grad_cases, random_grad),
];
