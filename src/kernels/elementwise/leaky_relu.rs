//! Leaky ReLU and its gradient, which needs only the output: `shaders/elementwise/leaky_relu*.wgsl`.

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

crate::kernel! {
    KERNEL: "elementwise" / "leaky_relu", ElementwiseParams,
    lib: ["lib/grid", "lib/each", "lib/elementwise", "lib/lanes", "lib/special"],
    bindings: [("x", Read), ("y", ReadWrite)],
}

crate::kernel! {
    GRAD: "elementwise" / "leaky_relu_grad", ElementwiseParams,
    lib: ["lib/grid", "lib/each", "lib/elementwise", "lib/lanes", "lib/special"],
    bindings: [("dy", Read), ("y", Read), ("dx", ReadWrite)],
}

/// `y = x` where x is above 0, else `slope x`; bindings x, y.
///
/// # Errors
/// A shape too large for 32-bit indices, or a slope that is not a normal number above 0.
pub fn plan(shape: Nhwc, slope: f32) -> Result<Plan> {
    plan_either(&KERNEL, shape, slope)
}

/// `dx = dy` where y is above 0, else `slope dy`; bindings dy, y, dx.
///
/// # Errors
/// Those of [`plan`]. The slope must be above 0, so that the output has the input's sign.
pub fn plan_grad(shape: Nhwc, slope: f32) -> Result<Plan> {
    plan_either(&GRAD, shape, slope)
}

fn plan_either(kernel: &'static KernelDesc, shape: Nhwc, slope: f32) -> Result<Plan> {
    if !slope.is_normal() || slope < 0.0 {
        return Err(Error::Shape(format!("a leaky ReLU of slope {slope}, not above 0")));
    }
    Ok(each::plan(kernel, shape)?.with("SLOPE", slope))
}

/// The leaky ReLU of one value.
#[must_use]
pub fn leaky_relu(x: f32, slope: f32) -> f64 {
    f64::from(x) * if x > 0.0 { 1.0 } else { f64::from(slope) }
}

/// The gradient of one value, from the output `y`.
#[must_use]
pub fn leaky_relu_grad(dy: f32, y: f32, slope: f32) -> f64 {
    f64::from(dy) * if y > 0.0 { 1.0 } else { f64::from(slope) }
}

/// PyTorch's default slope, a power of two, with which results are exact, and a slope above 1.
const SLOPES: [f32; 3] = [0.01, 0.25, 3.0];

/// Error bound of a product with the slope: one rounding, or none if the slope is a power of two.
fn bound(slope: f32) -> impl Fn(f64) -> f64 {
    move |v| if slope == 0.25 { 0.0 } else { EPS * v.abs() }
}

fn case(shape: Nhwc, slope: f32, random: &mut Random) -> Result<Case> {
    let mut x = random.floats((shape.pixels() * shape.c) as usize);
    // Values at the kink, and large and small ones.
    for (x, value) in x.iter_mut().skip(1).step_by(3).zip([0.0, -0.0, 1e30, -1e30, 1e-20, -1e-20]) {
        *x = value;
    }
    let y: Vec<f64> = x.iter().map(|&x| leaky_relu(x, slope)).collect();
    Ok(Case {
        label: format!("{shape} slope {slope}"),
        plan: plan(shape, slope)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::Output(Want::channels(&y, shape, bound(slope))),
        ],
    })
}

fn grad_case(shape: Nhwc, slope: f32, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    let (dy, mut y) = (random.floats(len), random.floats(len));
    for (y, value) in y.iter_mut().skip(1).step_by(3).zip([0.0, -0.0, 1e-20, -1e-20]) {
        *y = value;
    }
    let dx: Vec<f64> = dy.iter().zip(&y).map(|(&dy, &y)| leaky_relu_grad(dy, y, slope)).collect();
    Ok(Case {
        label: format!("{shape} slope {slope}"),
        plan: plan_grad(shape, slope)?,
        data: vec![
            Data::input(&nan_padded(&dy, shape.c)),
            Data::input(&nan_padded(&y, shape.c)),
            Data::Output(Want::channels(&dx, shape, bound(slope))),
        ],
    })
}

/// Every shape with every slope.
fn each_with(case: fn(Nhwc, f32, &mut Random) -> Result<Case>) -> Result<Vec<Case>> {
    let pairs = SHAPES.into_iter().flat_map(|shape| SLOPES.map(|slope| (shape, slope)));
    pairs.map(|(shape, slope)| case(shape, slope, &mut Random::new(41))).collect()
}

fn random(random: &mut Random) -> Result<Case> {
    case(random.images(20_000), random.of(&SLOPES), random)
}

fn random_grad(random: &mut Random) -> Result<Case> {
    grad_case(random.images(20_000), random.of(&SLOPES), random)
}

/// The kernels with their cases.
pub static SUITES: [Suite; 2] = [
    suite!(KERNEL, || each_with(case), random),
    suite!(GRAD, || each_with(grad_case), random_grad),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_above_0() {
        let shape = SHAPES[1];
        assert!(plan(shape, 0.2).is_ok() && plan_grad(shape, 0.2).is_ok());
        for slope in [0.0, -0.1, 1e-40, f32::NAN, f32::INFINITY] {
            assert!(plan(shape, slope).is_err() && plan_grad(shape, slope).is_err(), "{slope}");
        }
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_twin() {
        for slope in SLOPES {
            for x in [-2.0, -0.5, 0.25, 1.0] {
                let rise = leaky_relu(x + 0.125, slope) - leaky_relu(x - 0.125, slope);
                let y = leaky_relu(x, slope) as f32;
                assert!((rise / 0.25 - leaky_relu_grad(1.0, y, slope)).abs() < 1e-12);
            }
        }
    }
}
