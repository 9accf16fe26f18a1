//! The generator's output added to the image and clamped, and its gradient:
//! `shaders/elementwise/fuse_clamp*.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise::each::{self, ElementwiseParams, SHAPES},
        plan::Plan,
        twin::{Case, Data, Random, Suite, Want, nan_padded, suite},
    },
    shape::Nhwc,
};

crate::kernel! {
    KERNEL: "elementwise" / "fuse_clamp", ElementwiseParams,
    lib: ["lib/grid", "lib/each", "lib/elementwise", "lib/lanes", "lib/special"],
    bindings: [("x", Read), ("g", Read), ("y", ReadWrite)],
}

/// `y = clamp(x + g, -1, 1)`; bindings x, g, y.
pub fn plan(shape: Nhwc) -> Result<Plan> {
    each::plan(&KERNEL, shape)
}

crate::kernel! {
    GRAD: "elementwise" / "fuse_clamp_grad", ElementwiseParams,
    lib: ["lib/grid", "lib/each", "lib/elementwise", "lib/lanes", "lib/special"],
    bindings: [("dy", Read), ("x", Read), ("g", Read), ("dg", ReadWrite)],
}

/// `dg = dy` where `-1 <= x + g <= 1`, else 0; bindings dy, x, g, dg.
pub fn plan_grad(shape: Nhwc) -> Result<Plan> {
    each::plan(&GRAD, shape)
}

/// `clamp(x + g, -1, 1)`.
#[must_use]
pub fn fuse_clamp(x: f32, g: f32) -> f64 {
    (f64::from(x) + f64::from(g)).clamp(-1.0, 1.0)
}

/// Images and perturbations whose sums are exact in f32: multiples of 1/64, many of them exactly
/// at a limit.
fn exact_pair(random: &mut Random, len: usize) -> (Vec<f32>, Vec<f32>) {
    let mut steps = || random.integers(len, 64).iter().map(|i| i / 64.0).collect();
    let (x, mut g): (Vec<f32>, Vec<f32>) = (steps(), steps());
    for (i, (x, g)) in x.iter().zip(&mut g).enumerate() {
        match i % 4 {
            1 => *g = 1.0 - x,
            2 => *g = -1.0 - x,
            _ => {}
        }
    }
    (x, g)
}

fn case(shape: Nhwc, exact: bool, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    let (x, g) =
        if exact { exact_pair(random, len) } else { (random.floats(len), random.floats(len)) };
    let y: Vec<f64> = x.iter().zip(&g).map(|(&x, &g)| fuse_clamp(x, g)).collect();
    // One rounding of the sum; the clamp adds none.
    let eps = if exact { 0.0 } else { f64::from(f32::EPSILON) };
    Ok(Case {
        label: format!("{shape}{}", if exact { ", exact" } else { "" }),
        plan: plan(shape)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::input(&nan_padded(&g, shape.c)),
            Data::Output(Want::channels(&y, shape, |y| eps * y.abs())),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for shape in SHAPES {
        for exact in [false, true] {
            cases.push(case(shape, exact, &mut Random::new(12))?);
        }
    }
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    case(random.images(20_000), random.flag(), random)
}

/// `dy` if `-1 <= x + g <= 1`, else 0.
#[must_use]
pub fn fuse_clamp_grad(dy: f32, x: f32, g: f32) -> f64 {
    let sum = f64::from(x) + f64::from(g);
    if (-1.0..=1.0).contains(&sum) { f64::from(dy) } else { 0.0 }
}

fn grad_case(shape: Nhwc, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    // The sums are exact, so that rounding moves no element across a limit.
    let (x, g) = exact_pair(random, len);
    let dy = random.floats(len);
    let sums = x.iter().zip(&g);
    let dg = dy.iter().zip(sums).map(|(&dy, (&x, &g))| fuse_clamp_grad(dy, x, g));
    let dg: Vec<f64> = dg.collect();
    Ok(Case {
        label: shape.to_string(),
        plan: plan_grad(shape)?,
        data: vec![
            Data::input(&nan_padded(&dy, shape.c)),
            Data::input(&nan_padded(&x, shape.c)),
            Data::input(&nan_padded(&g, shape.c)),
            Data::Output(Want::channels(&dg, shape, |_| 0.0)),
        ],
    })
}

fn grad_cases() -> Result<Vec<Case>> {
    SHAPES.into_iter().map(|shape| grad_case(shape, &mut Random::new(13))).collect()
}

fn random_grad(random: &mut Random) -> Result<Case> {
    grad_case(random.images(20_000), random)
}

/// The kernels with their cases.
pub static SUITES: [Suite; 2] =
    [suite!(KERNEL, cases, random), suite!(GRAD, grad_cases, random_grad)];
