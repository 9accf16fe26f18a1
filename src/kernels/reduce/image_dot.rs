//! Dot product of two tensors over the pixels of each image, `shaders/reduce/image_dot.wgsl`.

use crate::{
    error::Result,
    kernels::{
        elementwise::{each::SHAPES, multiply::GateParams},
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, nan_padded, numbers::EPS, suite},
    },
    shape::Nhwc,
};

crate::kernel! {
    KERNEL: "reduce" / "image_dot", GateParams,
    lib: ["lib/grid", "lib/each", "lib/gate", "lib/lanes"],
    bindings: [("a", Read), ("b", Read), ("y", ReadWrite)],
}

/// `y[n, c] = sum over pixels of a b`, both of shape `x`; bindings a, b, y.
pub fn plan(x: Nhwc) -> Result<Plan> {
    let y = Nhwc { h: 1, w: 1, ..x.checked()? };
    let params = GateParams { vec4s: y.vec4s(), c: x.c, pixels: x.h * x.w };
    let grid = DispatchGrid::Items(u64::from(y.vec4s()));
    let plan = Plan::new(&KERNEL, &params, grid, vec![x.bytes(), x.bytes(), y.bytes()]);
    Ok(plan.costing(2 * u64::from(x.pixels()) * u64::from(x.c)))
}

/// The dot products `[N, C]`, and the sums of their terms' absolute values.
#[must_use]
pub fn image_dot(a: &[f32], b: &[f32], x: Nhwc) -> (Vec<f64>, Vec<f64>) {
    let (c, image) = (x.c as usize, (x.h * x.w * x.c) as usize);
    let mut sums = vec![(0.0, 0.0); x.n as usize * c];
    for (i, (&a, &b)) in a.iter().zip(b).enumerate() {
        let term = f64::from(a) * f64::from(b);
        let sum = &mut sums[i / image * c + i % c];
        *sum = (sum.0 + term, sum.1 + term.abs());
    }
    sums.into_iter().unzip()
}

fn case(x: Nhwc, whole: bool, random: &mut Random) -> Result<Case> {
    let len = (x.pixels() * x.c) as usize;
    let mut values = || if whole { random.integers(len, 9) } else { random.floats(len) };
    let (a, b) = (values(), values());
    let (sums, sizes) = image_dot(&a, &b, x);
    // A term is in at most 64 additions of its block and one for each block; whole numbers must be exact.
    let pixels = x.h * x.w;
    let roundings = f64::from(1 + pixels.min(64) + pixels.div_ceil(64));
    let eps = if whole { 0.0 } else { roundings * EPS };
    let bounds: Vec<f64> = sizes.iter().map(|size| eps * size).collect();
    Ok(Case {
        label: format!("{x}{}", if whole { ", exact" } else { "" }),
        plan: plan(x)?,
        data: vec![
            Data::input(&nan_padded(&a, x.c)),
            Data::input(&nan_padded(&b, x.c)),
            Data::Output(Want::channels_bounded(&sums, &bounds, Nhwc { h: 1, w: 1, ..x })),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let shapes = SHAPES.into_iter().chain([Nhwc::new(2, 13, 11, 6)]);
    let pairs = shapes.flat_map(|shape| [false, true].map(|whole| (shape, whole)));
    pairs.map(|(shape, whole)| case(shape, whole, &mut Random::new(45))).collect()
}

fn random(random: &mut Random) -> Result<Case> {
    case(random.images(20_000), random.flag(), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
