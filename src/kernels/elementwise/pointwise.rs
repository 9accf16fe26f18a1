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
    /// `step min(max(round(x / step), least), most)`, ties to even: what a stored word of so many steps stands for.
    /// The gradient goes straight through where `round(x / step)` is within the range (Bengio et al.,
    /// arXiv:1308.3432).
    FakeQuantise {
        /// Real value of one step.
        step: f32,
        /// Steps of the least word, a whole number; with a zero point, its distance from that.
        least: f32,
        /// Steps of the largest word, a whole number.
        most: f32,
    },
}

impl Pointwise {
    /// Values of the override constants `FUNCTION`, `A`, `B` and `C` of `shaders/lib/pointwise.wgsl`.
    fn constants(self) -> (u32, f32, f32, f32) {
        match self {
            Self::Clip { low, high } => (1, low, high, 0.0),
            Self::Sigmoid => (2, 0.0, 0.0, 0.0),
            Self::HardSigmoid { alpha, beta } => (3, alpha, beta, 0.0),
            Self::HardSwish => (4, 0.0, 0.0, 0.0),
            Self::Silu => (5, 0.0, 0.0, 0.0),
            Self::FakeQuantise { step, least, most } => (6, step, least, most),
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
            Self::FakeQuantise { step, least, most } => {
                let steps = (x / f64::from(step)).round_ties_even();
                steps.clamp(least.into(), most.into()) * f64::from(step)
            }
        }
    }

    /// The derivative at one value: 0 at the corners of a flat part, as PyTorch has it; at -infinity its limit, where
    /// `PyTorch` has NaN for `SiLU`.
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
            Self::Silu if x == f64::NEG_INFINITY => 0.0,
            Self::Silu => sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),
            Self::FakeQuantise { step, least, most } => {
                let steps = (x / f64::from(step)).round_ties_even();
                f64::from(u8::from(steps >= least.into() && steps <= most.into()))
            }
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
            // The product of a whole number and the step is rounded once.
            Self::FakeQuantise { .. } => (EPS * self.of(x).abs(), 0.0),
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
/// A shape too large for 32-bit indices, a clip whose lowest result is not below the highest, a hard sigmoid
/// that is flat, or a quantisation without steps.
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
        Pointwise::FakeQuantise { step, least, most } => {
            let whole = |v: f32| v.fract() == 0.0 && v.abs() < 65_536.0;
            step.is_normal() && step > 0.0 && whole(least) && whole(most) && least < most
        }
        _ => true,
    };
    if !fits {
        return Err(Error::Shape(format!("an activation {function:?}")));
    }
    let (code, a, b, c) = function.constants();
    // An override constant must be finite: the largest numbers stand for an open end.
    let finite = |v: f32| v.clamp(f32::MIN, f32::MAX);
    let plan = each::plan(kernel, shape)?.with("FUNCTION", code);
    let plan = plan.with("A", finite(a)).with("B", finite(b));
    Ok(if c == 0.0 { plan } else { plan.with("C", c) })
}

/// `ReLU6`, a clip that is not around 0, one with an open end, PyTorch's and ONNX's hard sigmoids, quantisation to signed
/// words and to unsigned ones with a zero point, and the others.
const FUNCTIONS: [Pointwise; 10] = [
    Pointwise::Clip { low: 0.0, high: 6.0 },
    Pointwise::Clip { low: -0.75, high: 0.5 },
    Pointwise::Clip { low: f32::NEG_INFINITY, high: 1.5 },
    Pointwise::Sigmoid,
    Pointwise::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 },
    Pointwise::HardSigmoid { alpha: 0.25, beta: 0.5 },
    Pointwise::HardSwish,
    Pointwise::Silu,
    Pointwise::FakeQuantise { step: 0.047, least: -128.0, most: 127.0 },
    Pointwise::FakeQuantise { step: 0.25, least: -3.0, most: 12.0 },
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

/// The inputs, without those that WGSL's division, wrong by up to 2.5 ulp, may round to either of two steps. Where
/// the step is a power of two it is exact, and ties stay.
fn decided(function: Pointwise, mut x: Vec<f32>) -> Vec<f32> {
    if let Pointwise::FakeQuantise { step, .. } = function
        && step.log2().fract() != 0.0
    {
        for x in &mut x {
            let steps = f64::from(*x / step);
            if (steps - steps.floor() - 0.5).abs() < 4.0 * EPS * steps.abs() {
                *x = 0.0;
            }
        }
    }
    x
}

fn case(shape: Nhwc, function: Pointwise, random: &mut Random) -> Result<Case> {
    let x = decided(function, inputs(shape, random));
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
    let mut x = decided(function, inputs(shape, random));
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
            * f64::from(u8::from(!matches!(
                function,
                Pointwise::Clip { .. } | Pointwise::FakeQuantise { .. }
            )))
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
        let smooth = |f: &&Pointwise| !matches!(f, Pointwise::FakeQuantise { .. });
        for function in FUNCTIONS.iter().filter(smooth) {
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
        let steps = |step, least, most| {
            plan(SHAPES[0], Pointwise::FakeQuantise { step, least, most }).is_ok()
        };
        assert!(steps(0.1, -128.0, 127.0) && !steps(0.0, -128.0, 127.0));
        assert!(!steps(-0.1, 0.0, 255.0) && !steps(0.1, 5.0, 5.0) && !steps(0.1, 0.5, 9.0));
    }
}
