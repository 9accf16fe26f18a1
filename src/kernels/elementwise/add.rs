//! Residual addition, `shaders/elementwise/add.wgsl`.

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
    KERNEL: "elementwise" / "add", ElementwiseParams,
    lib: ["lib/grid", "lib/each", "lib/elementwise", "lib/lanes"],
    bindings: [("a", Read), ("b", Read), ("y", ReadWrite)],
}

/// Plans `y = a + b` of tensors of one shape; bindings a, b, y.
pub fn plan(shape: Nhwc) -> Result<Plan> {
    each::plan(&KERNEL, shape)
}

/// `y = a + b` in f64.
fn add(a: &[f32], b: &[f32]) -> Vec<f64> {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) + f64::from(b)).collect()
}

fn case(shape: Nhwc, random: &mut Random) -> Result<Case> {
    let len = (shape.pixels() * shape.c) as usize;
    let (a, b) = (random.floats(len), random.floats(len));
    // The sum of two f32 is rounded once: at most half an ulp, on any adapter.
    let want = Want::channels(&add(&a, &b), shape, |y| y.abs() * f64::from(f32::EPSILON));
    Ok(Case {
        label: shape.to_string(),
        plan: plan(shape)?,
        data: vec![
            Data::input(&nan_padded(&a, shape.c)),
            Data::input(&nan_padded(&b, shape.c)),
            Data::Output(want),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    SHAPES.into_iter().map(|shape| case(shape, &mut Random::new(1))).collect()
}

fn random(random: &mut Random) -> Result<Case> {
    case(random.images(20_000), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
