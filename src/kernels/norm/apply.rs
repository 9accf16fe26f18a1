//! Batch norm with given statistics, and the activation after it, `shaders/norm/batch_norm_apply.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        elementwise::activation::Activation,
        plan::{DispatchGrid, Plan},
        reduce::chunking,
        twin::{
            Case, Data, Random, Suite, Want, nan_padded,
            numbers::{EPS, activate, wide},
            suite,
        },
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/norm/batch_norm_apply.wgsl`.
    pub struct BatchNormApplyParams {
        /// Groups of four channels in the whole batch.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
        /// Offset of gamma in `parameters`, in floats.
        gamma_offset: u32,
        /// Offset of beta in `parameters`, in floats.
        beta_offset: u32,
        /// Added to a running variance.
        eps: f32,
    }
}

crate::kernel! {
    KERNEL: "norm" / "batch_norm_apply", BatchNormApplyParams,
    lib: ["lib/grid", "lib/each", "lib/lanes", "lib/parameters", "lib/special", "lib/activation"],
    bindings: [("x", Read), ("stats", Read), ("parameters", Read), ("y", ReadWrite)],
}

/// `y = act((x - mean) inv_std gamma + beta)`.
///
/// Bindings: x `[N, H, W, C]`; stats f32 `[2, C4 * 4]` (mean, `inv_std`); parameters f32
/// `[parameters_len]`; y like x.
///
/// # Errors
/// A shape too large for 32-bit indices, or gamma or beta past the end of `parameters`.
pub fn plan(
    x: Nhwc,
    act: Activation,
    gamma_offset: u32,
    beta_offset: u32,
    parameters_len: u32,
) -> Result<Plan> {
    build(x, act, gamma_offset, beta_offset, parameters_len, 0.0)
}

/// Like [`plan`], with the running statistics that [`super::statistics::plan_finish`] updates: stats is
/// f32 `[2, C4 * 4]` (mean, variance).
pub fn plan_running(
    x: Nhwc,
    act: Activation,
    gamma_offset: u32,
    beta_offset: u32,
    parameters_len: u32,
    eps: f32,
) -> Result<Plan> {
    let plan = build(x, act, gamma_offset, beta_offset, parameters_len, eps)?;
    Ok(plan.with("RUNNING", 1.0))
}

fn build(
    x: Nhwc,
    act: Activation,
    gamma_offset: u32,
    beta_offset: u32,
    parameters_len: u32,
    eps: f32,
) -> Result<Plan> {
    let x = x.checked()?;
    fits("gamma", gamma_offset, x, parameters_len)?;
    fits("beta", beta_offset, x, parameters_len)?;
    let params = BatchNormApplyParams { vec4s: x.vec4s(), c: x.c, gamma_offset, beta_offset, eps };
    let stats = chunking::partial_bytes(x, 1, 2);
    let bytes = vec![x.bytes(), stats, u64::from(parameters_len) * 4, x.bytes()];
    let plan = Plan::new(&KERNEL, &params, DispatchGrid::Items(u64::from(x.vec4s())), bytes);
    Ok(plan.with("ACTIVATION", act.code()).costing(x.bytes()))
}

/// Checks that a vector of C floats at an offset lies within a flat buffer of `len` floats.
pub(crate) fn fits(what: &str, offset: u32, x: Nhwc, len: u32) -> Result<()> {
    match offset.checked_add(x.c) {
        Some(end) if end <= len => Ok(()),
        _ => Err(Error::Shape(format!(
            "{what} of {} channels at {offset} does not fit {len} parameters",
            x.c
        ))),
    }
}

/// `act((x - mean) inv_std gamma + beta)` for x `[pixels, c]` and stats `[2, c]`.
pub fn apply(x: &[f64], stats: &[f64], gamma: &[f64], beta: &[f64], act: Activation) -> Vec<f64> {
    let c = gamma.len();
    let z =
        |(i, x): (usize, &f64)| (x - stats[i % c]) * stats[c + i % c] * gamma[i % c] + beta[i % c];
    x.iter().enumerate().map(|v| activate(act, z(v))).collect()
}

/// Error bound: four roundings of the two terms of z (and, with a variance, two ulp of the root and one
/// of its argument); no activation is steeper than 1. tanh is `1 - 2 / (exp(2 z) + 1)`: WGSL's
/// exponential may be off by 3 + 2 |2 z| ulp, half of which reaches the result, and the division by 2.5
/// ulp of up to 2.
fn bound(z: [f64; 2], act: Activation, extra: f64) -> f64 {
    let tanh =
        if act == Activation::Tanh { 8.0 + 2.0 * (z[0] + z[1]).abs().min(15.0) } else { 0.0 };
    EPS * ((4.0 + extra) * (z[0].abs() + z[1].abs()) + tanh)
}

/// A flat buffer of NaN with gamma at `offsets[0]` and beta at `offsets[1]`, so that reads elsewhere
/// show.
pub(crate) fn arena(gamma: &[f32], beta: &[f32], offsets: [u32; 2], len: u32) -> Vec<f32> {
    let mut all = vec![f32::NAN; len as usize];
    for (values, at) in [gamma, beta].into_iter().zip(offsets) {
        all[at as usize..at as usize + values.len()].copy_from_slice(values);
    }
    all
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Floats,
    Running,
    Integers,
}

fn case(shape: Nhwc, act: Activation, kind: Kind, random: &mut Random) -> Result<Case> {
    let (c, eps) = (shape.c as usize, 1e-5f32);
    let len = shape.pixels() as usize * c;
    let offsets = [3, 5 + shape.c];
    let total = offsets[1] + shape.c + 2;
    let (x, mean, scale, gamma, beta) = if kind == Kind::Integers {
        let powers = random.integers(c, 2).iter().map(|v| v.exp2()).collect();
        let mut whole = |len: usize| random.integers(len, 9);
        (whole(len), whole(c), powers, whole(c), whole(c))
    } else {
        let scale: Vec<f32> = random.floats(c).iter().map(|v| (v + 1.5).abs()).collect();
        let mut any = |len: usize| random.floats(len);
        let x = any(len).iter().map(|v| 4.0 * v).collect();
        (x, any(c), scale, any(c), any(c))
    };
    let stats: Vec<f32> = [mean, scale].concat();
    let mut exact = wide(&stats);
    let mut plan = plan(shape, act, offsets[0], offsets[1], total)?;
    if kind == Kind::Running {
        plan = plan_running(shape, act, offsets[0], offsets[1], total, eps)?;
        exact[c..].iter_mut().for_each(|v| *v = 1.0 / (*v + f64::from(eps)).sqrt());
    }
    let (wide_x, g, b) = (wide(&x), wide(&gamma), wide(&beta));
    let y = apply(&wide_x, &exact, &g, &b, act);
    let extra = if kind == Kind::Running { 3.0 } else { 0.0 };
    let bound = |(i, x): (usize, &f64)| {
        let i = i % c;
        bound([(x - exact[i]) * exact[c + i] * g[i], b[i]], act, extra)
    };
    let bounds: Vec<f64> = match kind {
        Kind::Integers => vec![0.0; len],
        _ => wide_x.iter().enumerate().map(bound).collect(),
    };
    let mode = ["", " running", " integers"][kind as usize];
    Ok(Case {
        label: format!("{shape} {act:?}{mode}"),
        plan,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::input(&nan_padded(&stats, shape.c)),
            Data::input(&arena(&gamma, &beta, offsets, total)),
            Data::Output(Want::channels_bounded(&y, &bounds, shape)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(4);
    let shapes = [
        (Nhwc::new(1, 1, 1, 1), Activation::None, Kind::Floats),
        (Nhwc::new(2, 3, 5, 3), Activation::Relu, Kind::Floats),
        (Nhwc::new(1, 9, 7, 10), Activation::Tanh, Kind::Floats),
        (Nhwc::new(2, 5, 5, 6), Activation::Relu, Kind::Running),
        (Nhwc::new(3, 5, 7, 33), Activation::Relu, Kind::Integers),
    ];
    shapes.into_iter().map(|(shape, act, kind)| case(shape, act, kind, &mut random)).collect()
}

fn random(random: &mut Random) -> Result<Case> {
    let shape = random.images(20_000);
    let kind = random.of(&[Kind::Floats, Kind::Running, Kind::Integers]);
    // Integers are exact where no tanh follows.
    let acts = Activation::ALL;
    let act = random.of(if kind == Kind::Integers { &acts[..2] } else { acts });
    case(shape, act, kind, random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
