//! A scale and a shift per channel, `shaders/elementwise/channel_affine.wgsl`.

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
    KERNEL: "elementwise" / "channel_affine", ElementwiseParams,
    lib: ["lib/grid", "lib/each", "lib/elementwise", "lib/lanes"],
    bindings: [("x", Read), ("scale", Read), ("shift", Read), ("y", ReadWrite)],
}

/// `y = x scale[c] + shift[c]`; bindings x, scale, shift (f32, padded to a multiple of 4), y.
pub fn plan(shape: Nhwc) -> Result<Plan> {
    let channels = u64::from(shape.checked()?.c4()) * 16;
    let bytes = vec![shape.bytes(), channels, channels, shape.bytes()];
    let flops = 2 * u64::from(shape.pixels()) * u64::from(shape.c);
    Ok(each::plan_of(&KERNEL, shape, bytes)?.costing(flops))
}

/// `x scale[c] + shift[c]` of every pixel.
#[must_use]
pub fn channel_affine(x: &[f32], scale: &[f32], shift: &[f32]) -> Vec<f64> {
    let channels = scale.iter().zip(shift).cycle();
    let affine = |(&x, (&scale, &shift))| f64::from(x) * f64::from(scale) + f64::from(shift);
    x.iter().zip(channels).map(affine).collect()
}

fn case(shape: Nhwc, whole: bool, random: &mut Random) -> Result<Case> {
    let mut values = |len| if whole { random.integers(len, 99) } else { random.floats(len) };
    let x = values((shape.pixels() * shape.c) as usize);
    let (scale, shift) = (values(shape.c as usize), values(shape.c as usize));
    let absolute = |values: &[f32]| values.iter().map(|v| v.abs()).collect::<Vec<_>>();
    let most = channel_affine(&absolute(&x), &absolute(&scale), &absolute(&shift));
    // The product and the sum are each rounded, or both once in a fused multiply-add; whole numbers
    // must be exact.
    let eps = if whole { 0.0 } else { 2.0 * f64::from(f32::EPSILON) };
    let bounds: Vec<f64> = most.iter().map(|sum| eps * sum).collect();
    let y = channel_affine(&x, &scale, &shift);
    Ok(Case {
        label: format!("{shape}{}", if whole { ", exact" } else { "" }),
        plan: plan(shape)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::input(&nan_padded(&scale, shape.c)),
            Data::input(&nan_padded(&shift, shape.c)),
            Data::Output(Want::channels_bounded(&y, &bounds, shape)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for shape in SHAPES {
        for whole in [false, true] {
            cases.push(case(shape, whole, &mut Random::new(14))?);
        }
    }
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    case(random.images(20_000), random.flag(), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
