//! ReLU and tanh as separate dispatches, and their gradients, which need only the output:
//! `shaders/elementwise/activation*.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise::each::{self, ElementwiseParams, SHAPES},
        plan::Plan,
        twin::{
            Case, Data, Random, Suite, Want, nan_padded,
            numbers::{EPS, activate, activate_back},
            suite,
        },
    },
    shape::Nhwc,
};

/// The activation function of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// No activation: the layer's sum itself.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// `tanh(x)`.
    Tanh,
}

impl Activation {
    /// All activations.
    pub const ALL: &[Self] = &[Self::None, Self::Relu, Self::Tanh];

    /// Value of the override constant `ACTIVATION` of `shaders/lib/activation.wgsl`.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Relu => 1,
            Self::Tanh => 2,
        }
    }
}

crate::kernel! {
    KERNEL: "elementwise" / "activation", ElementwiseParams,
    lib: ["lib/grid", "lib/each", "lib/elementwise", "lib/lanes", "lib/special", "lib/activation"],
    bindings: [("x", Read), ("y", ReadWrite)],
}

/// `y = act(x)`; bindings x, y.
pub fn plan(shape: Nhwc, act: Activation) -> Result<Plan> {
    Ok(each::plan(&KERNEL, shape)?.with("ACTIVATION", act.code()))
}

crate::kernel! {
    GRAD: "elementwise" / "activation_grad", ElementwiseParams,
    lib: ["lib/grid", "lib/each", "lib/elementwise", "lib/lanes", "lib/special", "lib/activation"],
    bindings: [("dy", Read), ("y", Read), ("dx", ReadWrite)],
}

/// `dx = dy act'(x)`, the derivative taken from `y = act(x)`; bindings dy, y, dx.
pub fn plan_grad(shape: Nhwc, act: Activation) -> Result<Plan> {
    Ok(each::plan(&GRAD, shape)?.with("ACTIVATION", act.code()))
}

/// The activation of one value.
#[must_use]
pub fn activation(x: f32, act: Activation) -> f64 {
    activate(act, f64::from(x))
}

/// Bound on an f32 tanh computed as `1 - 2 / (E + 1)` with `E = exp(2 x)`. WGSL grants exp
/// `3 + 2 |2 x|` ulp, and dy / dE is `(1 - y^2) / 2` relative to E; the sum `E + 1`, the division
/// (2.5 ulp) and the last subtraction round results of the sizes `1 - y` and `y`. The clamp at 15
/// costs 2e-13.
fn tanh_bound(x: f32) -> f64 {
    let x = f64::from(x).clamp(-15.0, 15.0);
    let y = x.tanh();
    EPS * ((1.0 - y * y) / 2.0 * (3.0 + 4.0 * x.abs()) + 3.5 * (1.0 - y) + y.abs() + EPS) + 2e-13
}

fn case(shape: Nhwc, act: Activation, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    let mut x: Vec<f32> = random.floats(len).iter().map(|x| 4.0 * x).collect();
    // Values beyond the clamp of tanh, and at the kink of ReLU.
    let special = [0.0, -0.0, 20.0, -20.0, 1e30, -1e30, 1e-20];
    for (x, value) in x.iter_mut().skip(1).step_by(3).zip(special) {
        *x = value;
    }
    let y: Vec<f64> = x.iter().map(|&x| activation(x, act)).collect();
    let bound = |&x| if act == Activation::Tanh { tanh_bound(x) } else { 0.0 };
    let bounds: Vec<f64> = x.iter().map(bound).collect();
    Ok(Case {
        label: format!("{act:?} {shape}"),
        plan: plan(shape, act)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::Output(Want::channels_bounded(&y, &bounds, shape)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for shape in SHAPES {
        for &act in Activation::ALL {
            cases.push(case(shape, act, &mut Random::new(2))?);
        }
    }
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    let act = random.of(Activation::ALL);
    case(random.images(20_000), act, random)
}

/// The gradient of one value, from the output `y`.
#[must_use]
pub fn activation_grad(dy: f32, y: f32, act: Activation) -> f64 {
    activate_back(act, f64::from(dy), f64::from(y))
}

fn grad_case(shape: Nhwc, act: Activation, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    let dy = random.floats(len);
    let mut y = random.floats(len);
    // Outputs where ReLU has cut off, and where tanh has saturated.
    for (y, value) in y.iter_mut().skip(1).step_by(3).zip([0.0, -0.0, 1.0, -1.0]) {
        *y = value;
    }
    let pairs = || dy.iter().zip(&y);
    let dx: Vec<f64> = pairs().map(|(&dy, &y)| activation_grad(dy, y, act)).collect();
    // Computing y^2 and 1 - y^2 rounds numbers of at most 1, and the product rounds one of at most
    // dy.
    let exact = act != Activation::Tanh;
    let bound = |dy: f32| f64::from(dy.abs()) * 3.0 * f64::from(f32::EPSILON);
    let bounds: Vec<f64> = dy.iter().map(|&dy| if exact { 0.0 } else { bound(dy) }).collect();
    Ok(Case {
        label: format!("{act:?} {shape}"),
        plan: plan_grad(shape, act)?,
        data: vec![
            Data::input(&nan_padded(&dy, shape.c)),
            Data::input(&nan_padded(&y, shape.c)),
            Data::Output(Want::channels_bounded(&dx, &bounds, shape)),
        ],
    })
}

fn grad_cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for shape in SHAPES {
        for &act in Activation::ALL {
            cases.push(grad_case(shape, act, &mut Random::new(3))?);
        }
    }
    Ok(cases)
}

fn random_grad(random: &mut Random) -> Result<Case> {
    let act = random.of(Activation::ALL);
    grad_case(random.images(20_000), act, random)
}

/// The kernels with their cases.
pub static SUITES: [Suite; 2] =
    [suite!(KERNEL, cases, random), suite!(GRAD, grad_cases, random_grad)];
