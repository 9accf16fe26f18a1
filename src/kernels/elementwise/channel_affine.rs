//! A scale and a shift per channel, `shaders/elementwise/channel_affine.wgsl`.

use crate::{
    error::Result,
    kernels::{
        plan::{Grid, Plan},
        twin::{Case, Data, Random, Suite, Want, nan_padded, suite},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/elementwise/channel_affine.wgsl`.
    pub struct ChannelAffineParams {
        /// Groups of four channels in the whole batch.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
    }
}

crate::kernel! {
    KERNEL: "elementwise" / "channel_affine", ChannelAffineParams,
    lib: ["lib/grid", "lib/lanes"],
    bindings: [("x", Read), ("scale", Read), ("shift", Read), ("y", ReadWrite)],
}

/// `y = x scale[c] + shift[c]`; bindings x, scale, shift (f32, padded to a multiple of 4), y.
///
/// # Errors
/// A shape past 32-bit indices.
pub fn plan(shape: Nhwc) -> Result<Plan> {
    let shape = shape.checked()?;
    let params = ChannelAffineParams { vec4s: shape.vec4s(), c: shape.c };
    let channels = u64::from(shape.c4()) * 16;
    let bytes = vec![shape.bytes(), channels, channels, shape.bytes()];
    let plan = Plan::new(&KERNEL, &params, Grid::Items(u64::from(shape.vec4s())), bytes);
    Ok(plan.costing(2 * u64::from(shape.pixels()) * u64::from(shape.c)))
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
    // The product and the sum are rounded, or both at once; whole numbers must be exact.
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
    for shape in [
        Nhwc::new(1, 1, 1, 1),
        Nhwc::new(2, 3, 5, 3),
        Nhwc::new(1, 7, 9, 10),
        Nhwc::new(3, 8, 8, 64),
    ] {
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
