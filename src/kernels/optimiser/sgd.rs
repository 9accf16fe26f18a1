//! One step of stochastic gradient descent, `shaders/optimiser/sgd.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, numbers::EPS, suite},
    },
};

crate::params! {
    /// Uniform block of `shaders/optimiser/sgd.wgsl`.
    pub struct SgdParams {
        /// Parameters.
        len: u32,
        /// Share of the old velocity.
        momentum: f32,
        /// Factor of the parameters in the gradient.
        weight_decay: f32,
    }
}

crate::kernel! {
    KERNEL: "optimiser" / "sgd", SgdParams,
    lib: ["lib/grid", "lib/each"],
    bindings: [
        ("schedule", Read), ("gradients", Read), ("parameters", ReadWrite), ("velocity", ReadWrite),
    ],
}

/// One step on `len` parameters, in place.
///
/// Bindings: schedule f32 `[4]` as [`super::adam::schedule`] fills it (learning rate and scale are
/// used); gradients, parameters, velocity f32 `[len]`.
pub fn plan(len: u32, momentum: f64, weight_decay: f64) -> Result<Plan> {
    if len == 0 {
        return Err(Error::Shape("a gradient step on no parameters".into()));
    }
    let params = SgdParams { len, momentum: momentum as f32, weight_decay: weight_decay as f32 };
    let each = u64::from(len) * 4;
    let bytes = vec![16, each, each, each];
    Ok(Plan::new(&KERNEL, &params, DispatchGrid::Items(u64::from(len)), bytes)
        .costing(7 * u64::from(len)))
}

/// Learning rate, gradient scale, momentum, weight decay.
#[derive(Clone, Copy, Debug)]
pub struct Hyper {
    /// Learning rate.
    pub lr: f64,
    /// Factor of the gradients.
    pub scale: f64,
    /// Share of the old velocity.
    pub momentum: f64,
    /// Factor of the parameters in the gradient.
    pub weight_decay: f64,
}

/// One step: new parameter and velocity of one element.
pub fn step(hyper: Hyper, gradient: f64, [w, v]: [f64; 2]) -> [f64; 2] {
    let v = hyper.momentum * v + gradient * hyper.scale + hyper.weight_decay * w;
    [w - hyper.lr * v, v]
}

const USUAL: Hyper = Hyper { lr: 0.1, scale: 0.25, momentum: 0.9, weight_decay: 5e-4 };
const HALVES: Hyper = Hyper { lr: 0.25, scale: 2.0, momentum: 0.5, weight_decay: 0.125 };

fn case(len: usize, hyper: Hyper, whole: bool, random: &mut Random) -> Result<Case> {
    let mut draw = || if whole { random.integers(len, 99) } else { random.floats(len) };
    let (gradients, w, v) = (draw(), draw(), draw());
    let (mut after, mut bounds) = ([vec![], vec![]], [vec![], vec![]]);
    for i in 0..len {
        let (g, w, v) = (f64::from(gradients[i]), f64::from(w[i]), f64::from(v[i]));
        let [w_new, v_new] = step(hyper, g, [w, v]);
        // Five roundings of the three terms of v (the constants are rounded too).
        let terms =
            hyper.momentum * v.abs() + (g * hyper.scale).abs() + hyper.weight_decay * w.abs();
        let v_bound = if whole { 0.0 } else { 5.0 * EPS * terms };
        let w_bound =
            if whole { 0.0 } else { EPS * w.abs() + hyper.lr * (v_bound + 3.0 * EPS * terms) };
        for (k, (value, bound)) in [(w_new, w_bound), (v_new, v_bound)].into_iter().enumerate() {
            after[k].push(value);
            bounds[k].push(bound);
        }
    }
    let [w_after, v_after] = after;
    let [w_bounds, v_bounds] = bounds;
    // The two entries that only Adam reads are NaN here.
    let schedule = [hyper.lr as f32, f32::NAN, f32::NAN, hyper.scale as f32];
    Ok(Case {
        label: format!("{len}{}", if whole { " integers" } else { "" }),
        plan: plan(len as u32, hyper.momentum, hyper.weight_decay)?,
        data: vec![
            Data::input(&schedule),
            Data::input(&gradients),
            Data::in_out(&w, Want::bounded(w_after, w_bounds)),
            Data::in_out(&v, Want::bounded(v_after, v_bounds)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(13);
    [(1, USUAL, false), (257, USUAL, false), (300, HALVES, true)]
        .into_iter()
        .map(|(len, hyper, whole)| case(len, hyper, whole, &mut random))
        .collect()
}

fn random(random: &mut Random) -> Result<Case> {
    let len = random.length(20_000) as usize;
    let (hyper, whole) = random.of(&[(USUAL, false), (HALVES, true)]);
    case(len, hyper, whole, random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
