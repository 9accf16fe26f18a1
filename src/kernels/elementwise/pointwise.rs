//! Activation functions that no other kernel fuses, and their gradients, which read the input:
//! `shaders/elementwise/pointwise*.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        desc::KernelDesc,
        elementwise::each::{self, ElementwiseParams, SHAPES},
        plan::Plan,
        twin::{Case, Data, Random, Suite, Want, nan_padded, numbers::EPS, suite},
    },
    shape::Nhwc,
};

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pointwise {
    /// `min(max(x, low), high)`; `ReLU6` is a clip from 0 to 6.
    Clip {
        /// Lowest result.
        low: f32,
        /// Highest result.
        high: f32,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `min(max(alpha x + beta, 0), 1)`.
    HardSigmoid {
        /// Slope.
        alpha: f32,
        /// Value at 0.
        beta: f32,
    },
    /// `x min(max(x / 6 + 1/2, 0), 1)`.
    HardSwish,
    /// `x / (1 + exp(-x))`, also called swish.
    Silu,
}

impl Pointwise {
    /// Values of the override constants `FUNCTION`, `A` and `B` of `shaders/lib/pointwise.wgsl`.
    fn constants(self) -> (u32, f32, f32) {
        match self {
            Self::Clip { low, high } => (1, low, high),
            Self::Sigmoid => (2, 0.0, 0.0),
            Self::HardSigmoid { alpha, beta } => (3, alpha, beta),
            Self::HardSwish => (4, 0.0, 0.0),
            Self::Silu => (5, 0.0, 0.0),
        }
    }

    /// The function of one value.
    #[must_use]
    pub fn of(self, x: f64) -> f64 {
        match self {
            _ if x.is_nan() => x,
            Self::Clip { low, high } => x.max(low.into()).min(high.into()),
            Self::Sigmoid => sigmoid(x),
            Self::HardSigmoid { alpha, beta } => {
                (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0)
            }
            Self::HardSwish if x <= -3.0 => 0.0,
            Self::HardSwish => x * (x / 6.0 + 0.5).min(1.0),
            Self::Silu if x == f64::NEG_INFINITY => 0.0,
            Self::Silu => x * sigmoid(x),
        }
    }

    /// The derivative at one value: 0 at the corners of a flat part, as PyTorch has it.
    #[must_use]
    pub fn slope(self, x: f64) -> f64 {
        let inside = |v: f64, low: f64, high: f64| f64::from(u8::from(v > low && v < high));
        match self {
            Self::Clip { low, high } => inside(x, low.into(), high.into()),
            Self::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
            Self::HardSigmoid { alpha, beta } => {
                f64::from(alpha) * inside(f64::from(alpha) * x + f64::from(beta), 0.0, 1.0)
            }
            Self::HardSwish if x <= -3.0 => 0.0,
            Self::HardSwish if x < 3.0 => x / 3.0 + 0.5,
            Self::HardSwish => 1.0,
            Self::Silu => sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),
        }
    }

    /// Error bounds of the function and of its slope in f32. WGSL grants exp `3 + 2 |x|` ulp and a division 2.5;
    /// sums and products round once. A value near a corner may lie on either side of it for the device.
    fn bounds(self, x: f64) -> (f64, f64) {
        let s = sigmoid(x);
        // The smallest normal number, at the clamp of the sigmoid.
        let floor = 2e-38;
        let of_s = EPS * s * ((1.0 - s) * (3.0 + 2.0 * x.abs()) + 4.0) + floor;
        let size = x.abs().min(1e4);
        match self {
            Self::Clip { .. } => (0.0, 0.0),
            Self::Sigmoid => (of_s, of_s * (1.0 - 2.0 * s).abs() + 4.0 * EPS * s),
            Self::HardSigmoid { alpha, beta } => {
                (2.0 * EPS * ((f64::from(alpha) * size).abs() + f64::from(beta).abs()), 0.0)
            }
            Self::HardSwish => {
                (EPS * x.abs() * (4.0 * size / 6.0 + 3.0), EPS * (4.0 * size.min(3.0) / 3.0 + 2.0))
            }
            Self::Silu => {
                let size = x.abs().min(90.0);
                let slope = of_s * (1.0 + size) + EPS * 4.0 * (s + size * s);
                (of_s * size + 2.0 * EPS * (x * s).abs() + 1e-34, slope)
            }
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

crate::kernel! {
    KERNEL: "elementwise" / "pointwise", ElementwiseParams,
    lib: ["lib/grid", "lib/each", "lib/elementwise", "lib/lanes", "lib/special", "lib/pointwise"],
    bindings: [("x", Read), ("y", ReadWrite)],
}

crate::kernel! {
    GRAD: "elementwise" / "pointwise_grad", ElementwiseParams,
    lib: ["lib/grid", "lib/each", "lib/elementwise", "lib/lanes", "lib/special", "lib/pointwise"],
    bindings: [("dy", Read), ("x", Read), ("dx", ReadWrite)],
}

/// `y = f(x)`; bindings x, y.
///
/// # Errors
/// A shape too large for 32-bit indices, a clip whose lowest result is not below the highest, or a hard sigmoid
/// that is flat.
pub fn plan(shape: Nhwc, function: Pointwise) -> Result<Plan> {
    plan_either(&KERNEL, shape, function)
}

/// `dx = dy f'(x)`; bindings dy, x, dx.
///
/// # Errors
/// Those of [`plan`].
pub fn plan_grad(shape: Nhwc, function: Pointwise) -> Result<Plan> {
    plan_either(&GRAD, shape, function)
}

fn plan_either(kernel: &'static KernelDesc, shape: Nhwc, function: Pointwise) -> Result<Plan> {
    let fits = match function {
        Pointwise::Clip { low, high } => low < high,
        Pointwise::HardSigmoid { alpha, beta } => alpha.is_normal() && beta.is_finite(),
        _ => true,
    };
    if !fits {
        return Err(Error::Shape(format!("an activation {function:?}")));
    }
    let (code, a, b) = function.constants();
    // An override constant must be finite: the largest numbers stand for an open end.
    let finite = |v: f32| v.clamp(f32::MIN, f32::MAX);
    let plan = each::plan(kernel, shape)?.with("FUNCTION", code);
    Ok(plan.with("A", finite(a)).with("B", finite(b)))
}

/// `ReLU6`, a clip that is not around 0, one with an open end, PyTorch's and ONNX's hard sigmoids, and the others.
const FUNCTIONS: [Pointwise; 8] = [
    Pointwise::Clip { low: 0.0, high: 6.0 },
    Pointwise::Clip { low: -0.75, high: 0.5 },
    Pointwise::Clip { low: f32::NEG_INFINITY, high: 1.5 },
    Pointwise::Sigmoid,
    Pointwise::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 },
    Pointwise::HardSigmoid { alpha: 0.25, beta: 0.5 },
    Pointwise::HardSwish,
    Pointwise::Silu,
];

/// Inputs from -8 to 8, some at corners and far out.
fn inputs(shape: Nhwc, random: &mut Random) -> Vec<f32> {
    let len = (shape.pixels() * shape.c) as usize;
    let mut x: Vec<f32> = random.floats(len).iter().map(|x| 8.0 * x).collect();
    let special = [0.0, -0.0, 6.0, -3.0, 3.0, 1e-20, 100.0, -100.0, 30.0, -30.0];
    for (x, value) in x.iter_mut().skip(1).step_by(3).zip(special) {
        *x = value;
    }
    x
}

fn case(shape: Nhwc, function: Pointwise, random: &mut Random) -> Result<Case> {
    let x = inputs(shape, random);
    let y: Vec<f64> = x.iter().map(|&x| function.of(x.into())).collect();
    let bounds: Vec<f64> = x.iter().map(|&x| function.bounds(x.into()).0).collect();
    Ok(Case {
        label: format!("{function:?} {shape}"),
        plan: plan(shape, function)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::Output(Want::channels_bounded(&y, &bounds, shape)),
        ],
    })
}

fn grad_case(shape: Nhwc, function: Pointwise, random: &mut Random) -> Result<Case> {
    let mut x = inputs(shape, random);
    // The device's rounding decides on which side of a hard sigmoid's corner such a value lies.
    if let Pointwise::HardSigmoid { alpha, beta } = function {
        for x in &mut x {
            let t = alpha * *x + beta;
            if t.abs().min((t - 1.0).abs()) < 1e-5 {
                *x += 0.125;
            }
        }
    }
    let dy = random.floats(x.len());
    let pairs = || dy.iter().zip(&x).map(|(&dy, &x)| (f64::from(dy), f64::from(x)));
    let dx: Vec<f64> = pairs()
        .map(|(dy, x)| {
            if x.is_nan() {
                x
            } else {
                crate::kernels::twin::numbers::scaled(function.slope(x), dy)
            }
        })
        .collect();
    let bound = |(dy, x): (f64, f64)| {
        dy.abs()
            * (function.bounds(x).1 + EPS * function.slope(x).abs())
            * f64::from(u8::from(!matches!(function, Pointwise::Clip { .. })))
    };
    let bounds: Vec<f64> = pairs().map(bound).collect();
    Ok(Case {
        label: format!("{function:?} {shape}"),
        plan: plan_grad(shape, function)?,
        data: vec![
            Data::input(&nan_padded(&dy, shape.c)),
            Data::input(&nan_padded(&x, shape.c)),
            Data::Output(Want::channels_bounded(&dx, &bounds, shape)),
        ],
    })
}

/// Every shape with every function.
fn each_with(case: fn(Nhwc, Pointwise, &mut Random) -> Result<Case>) -> Result<Vec<Case>> {
    let pairs = SHAPES.into_iter().flat_map(|shape| FUNCTIONS.map(|function| (shape, function)));
    pairs.map(|(shape, function)| case(shape, function, &mut Random::new(43))).collect()
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = each_with(case)?;
    // At -infinity the first two are 0, not the product of their factors, and the third has no lower end.
    let open = Pointwise::Clip { low: f32::NEG_INFINITY, high: 1.5 };
    for function in [Pointwise::HardSwish, Pointwise::Silu, open] {
        let special = case(SHAPES[2], function, &mut Random::special(43))?;
        cases.push(Case { label: format!("{} special", special.label), ..special });
    }
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    case(random.images(20_000), random.of(&FUNCTIONS), random)
}

fn random_grad(random: &mut Random) -> Result<Case> {
    grad_case(random.images(20_000), random.of(&FUNCTIONS), random)
}

/// The kernels with their cases.
pub static SUITES: [Suite; 2] =
    [suite!(KERNEL, cases, random), suite!(GRAD, || each_with(grad_case), random_grad)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_twin() {
        for function in FUNCTIONS {
            for x in [-4.1, -2.3, -0.4, 0.3, 0.9, 2.2, 5.0, 7.1] {
                let rise = function.of(x + 1e-5) - function.of(x - 1e-5);
                assert!((rise / 2e-5 - function.slope(x)).abs() < 1e-8, "{function:?} at {x}");
            }
        }
    }

    #[test]
    fn a_clip_has_room_and_a_hard_sigmoid_a_slope() {
        for (low, high) in [(1.0, 1.0), (2.0, 1.0), (f32::NAN, 1.0)] {
            assert!(plan(SHAPES[0], Pointwise::Clip { low, high }).is_err());
        }
        let flat = Pointwise::HardSigmoid { alpha: 0.0, beta: 0.5 };
        assert!(plan_grad(SHAPES[0], flat).is_err());
    }
}
