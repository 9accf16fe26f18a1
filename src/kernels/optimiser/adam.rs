//! One step of Adam, `shaders/optimiser/adam.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        twin::{
            Case, Data, Random, Suite, Want,
            numbers::{EPS, wide},
            suite,
        },
    },
};

crate::params! {
    /// Uniform block of `shaders/optimiser/adam.wgsl`.
    pub struct AdamParams {
        /// Parameters.
        len: u32,
        /// Share of the old first moment.
        beta1: f32,
        /// Share of the old second moment.
        beta2: f32,
        /// `1 - beta1`.
        rest1: f32,
        /// `1 - beta2`.
        rest2: f32,
        /// Added to the root of the second moment.
        eps: f32,
    }
}

crate::kernel! {
    KERNEL: "optimiser" / "adam", AdamParams,
    lib: ["lib/grid", "lib/each"],
    bindings: [
        ("schedule", Read), ("gradients", Read), ("parameters", ReadWrite), ("m", ReadWrite),
        ("v", ReadWrite),
    ],
}

/// One step on `len` parameters, in place. The betas are f64 because `1 - beta2` in f32 would be
/// off by 5e-5.
///
/// Bindings: schedule f32 `[4]` (see [`schedule`]); gradients, parameters, m, v f32 `[len]`.
pub fn plan(len: u32, beta1: f64, beta2: f64, eps: f64) -> Result<Plan> {
    if len == 0 {
        return Err(Error::Shape("an Adam step on no parameters".into()));
    }
    let params = AdamParams {
        len,
        beta1: beta1 as f32,
        beta2: beta2 as f32,
        rest1: (1.0 - beta1) as f32,
        rest2: (1.0 - beta2) as f32,
        eps: eps as f32,
    };
    let each = u64::from(len) * 4;
    let bytes = vec![16, each, each, each, each];
    Ok(Plan::new(&KERNEL, &params, DispatchGrid::Items(u64::from(len)), bytes)
        .costing(15 * u64::from(len)))
}

/// Contents of the binding `schedule` for step `step` (the first is 1): learning rate,
/// `1 - beta1^step`, `1 - beta2^step`, and the factor of the gradients.
pub fn schedule(lr: f64, beta1: f64, beta2: f64, step: u64, scale: f64) -> [f32; 4] {
    let correction = |beta: f64| (1.0 - beta.powf(step as f64)) as f32;
    [lr as f32, correction(beta1), correction(beta2), scale as f32]
}

/// PyTorch's defaults of beta1, beta2 and eps.
const HYPER: [f64; 3] = [0.9, 0.999, 1e-8];

/// One step: new parameter, m and v of one element. `schedule` is lr, `1 - beta1^t`, `1 - beta2^t`,
/// gradient scale; `hyper` is beta1, beta2, eps.
pub fn step(schedule: [f64; 4], hyper: [f64; 3], gradient: f64, before: [f64; 3]) -> [f64; 3] {
    let ([lr, correction1, correction2, scale], [beta1, beta2, eps]) = (schedule, hyper);
    let [w, m, v] = before;
    let g = gradient * scale;
    let m = beta1 * m + (1.0 - beta1) * g;
    let v = beta2 * v + (1.0 - beta2) * g * g;
    [w - lr * (m / correction1) / ((v / correction2).sqrt() + eps), m, v]
}

/// Error bounds: four roundings of the two terms of m; five of v, whose terms have one sign; the
/// step has the relative error of m (taken as an absolute one below, because m may cancel), half of
/// v's, and 14 eps of four quotients, a root and a product.
fn bounds(schedule: [f64; 4], gradient: f64, before: [f64; 3]) -> [f64; 3] {
    let [w, m, v] = before;
    let [_, _, v_new] = step(schedule, HYPER, gradient, before);
    let [lr, correction1, correction2, scale] = schedule;
    let m_error = 4.0 * EPS * (HYPER[0] * m.abs() + (1.0 - HYPER[0]) * (gradient * scale).abs());
    let root = (v_new / correction2).sqrt() + HYPER[2];
    let largest = HYPER[0] * m.abs() + (1.0 - HYPER[0]) * (gradient * scale).abs();
    let unit = lr / correction1 / root;
    let step_error = unit * (m_error + 17.0 * EPS * largest);
    [EPS * w.abs() + step_error, m_error, 5.0 * EPS * v_new.max(v)]
}

fn case(len: usize, t: u64, scale: f64, random: &mut Random) -> Result<Case> {
    let schedule = schedule(1e-3, HYPER[0], HYPER[1], t, scale);
    let gradients = random.floats(len);
    let w = random.floats(len);
    // The first step starts from zeros.
    let past = if t == 1 { 0.0 } else { 1.0 };
    let m: Vec<f32> = random.floats(len).iter().map(|m| past * m).collect();
    let v: Vec<f32> = random.floats(len).iter().map(|v| past * v * v).collect();
    let exact: [f64; 4] = schedule.map(f64::from);
    let (mut after, mut limits) = ([vec![], vec![], vec![]], [vec![], vec![], vec![]]);
    for i in 0..len {
        let before = [w[i], m[i], v[i]].map(f64::from);
        let gradient = f64::from(gradients[i]);
        let (value, bound) =
            (step(exact, HYPER, gradient, before), bounds(exact, gradient, before));
        for k in 0..3 {
            after[k].push(value[k]);
            limits[k].push(bound[k]);
        }
    }
    let mut data = vec![Data::input(&schedule), Data::input(&gradients)];
    for ((before, after), limits) in [w, m, v].iter().zip(after).zip(limits) {
        data.push(Data::in_out(before, Want::bounded(after, limits)));
    }
    let [beta1, beta2, eps] = HYPER;
    let plan = plan(len as u32, beta1, beta2, eps)?;
    Ok(Case { label: format!("{len} at step {t}, scale {scale}"), plan, data })
}

fn random(random: &mut Random) -> Result<Case> {
    let (len, t) = (random.length(20_000) as usize, random.of(&[1, 2, 9, 500, 100_000]));
    case(len, t, random.of(&[1.0, 0.25, 1.0 / 1024.0]), random)
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut random = Random::new(12);
    for (len, t, scale) in [(1, 1, 1.0), (257, 1, 1.0), (1000, 7, 0.25), (3, 100_000, 1.0)] {
        cases.push(case(len, t, scale, &mut random)?);
    }
    // A zero gradient with zero moments must leave the parameter unchanged, not make it 0 / 0.
    let w = [0.5f32, -2.0, 3.0];
    let unchanged = || Data::in_out(&[0.0f32; 3], Want::exact(&[0.0; 3]));
    cases.push(Case {
        label: "zero gradients".into(),
        plan: plan(3, HYPER[0], HYPER[1], HYPER[2])?,
        data: vec![
            Data::input(&schedule(1e-3, HYPER[0], HYPER[1], 1, 1.0)),
            Data::input(&[0.0f32; 3]),
            Data::in_out(&w, Want::exact(&wide(&w))),
            unchanged(),
            unchanged(),
        ],
    });
    Ok(cases)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
