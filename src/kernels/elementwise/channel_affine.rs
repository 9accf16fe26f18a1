//! A scale and a shift per channel, `shaders/elementwise/channel_affine.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        elementwise::each::SHAPES,
        plan::{DispatchGrid, Plan},
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
        /// Offset of the first channel's scale in `affine`.
        scale_offset: u32,
        /// Offset of its shift.
        shift_offset: u32,
    }
}

crate::kernel! {
    KERNEL: "elementwise" / "channel_affine", ChannelAffineParams,
    lib: ["lib/grid", "lib/each", "lib/lanes"],
    bindings: [("x", Read), ("affine", Read), ("y", ReadWrite)],
}

/// `y = x scale[c] + shift[c]`, or without a shift the product alone; bindings x, affine (`len` floats, in which
/// scales and shifts begin at the offsets), y.
///
/// # Errors
/// Offsets past the end, or a shape too large for 32-bit indices.
pub fn plan(shape: Nhwc, scale: u32, shift: Option<u32>, len: u32) -> Result<Plan> {
    let shape = shape.checked()?;
    let fits = |offset: u32| offset.checked_add(shape.c).is_some_and(|end| end <= len);
    if !(fits(scale) && shift.is_none_or(fits)) {
        return Err(Error::Shape(format!("scales and shifts of {shape} among {len} numbers")));
    }
    let params = ChannelAffineParams {
        vec4s: shape.vec4s(),
        c: shape.c,
        scale_offset: scale,
        shift_offset: shift.unwrap_or(0),
    };
    let bytes = vec![shape.bytes(), u64::from(len) * 4, shape.bytes()];
    let grid = DispatchGrid::Items(u64::from(shape.vec4s()));
    let plan = Plan::new(&KERNEL, &params, grid, bytes).with("SHIFT", u32::from(shift.is_some()));
    Ok(plan.costing(2 * u64::from(shape.pixels()) * u64::from(shape.c)))
}

/// `x scale[c] + shift[c]` of every pixel.
#[must_use]
pub fn channel_affine(x: &[f32], scale: &[f32], shift: &[f32]) -> Vec<f64> {
    let channels = scale.iter().zip(shift).cycle();
    let affine = |(&x, (&scale, &shift))| f64::from(x) * f64::from(scale) + f64::from(shift);
    x.iter().zip(channels).map(affine).collect()
}

fn case(shape: Nhwc, whole: bool, shifted: bool, random: &mut Random) -> Result<Case> {
    let mut values = |len| if whole { random.integers(len, 99) } else { random.floats(len) };
    let x = values((shape.pixels() * shape.c) as usize);
    let scale = values(shape.c as usize);
    let shift = if shifted { values(shape.c as usize) } else { vec![0.0; shape.c as usize] };
    // Other numbers lie before, between and behind them.
    let mut affine = vec![f32::NAN; 3];
    affine.extend(&scale);
    affine.push(f32::NAN);
    let at = affine.len() as u32;
    affine.extend(&shift);
    affine.push(f32::NAN);
    let absolute = |values: &[f32]| values.iter().map(|v| v.abs()).collect::<Vec<_>>();
    let most = channel_affine(&absolute(&x), &absolute(&scale), &absolute(&shift));
    // The product and the sum are each rounded, or both once in a fused multiply-add; whole numbers
    // must be exact.
    let eps = if whole { 0.0 } else { 2.0 * f64::from(f32::EPSILON) };
    let bounds: Vec<f64> = most.iter().map(|sum| eps * sum).collect();
    let y = channel_affine(&x, &scale, &shift);
    Ok(Case {
        label: format!(
            "{shape}{}{}",
            if shifted { "" } else { ", scales alone" },
            if whole { ", exact" } else { "" }
        ),
        plan: plan(shape, 3, shifted.then_some(at), affine.len() as u32)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::input(&affine),
            Data::Output(Want::channels_bounded(&y, &bounds, shape)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for shape in SHAPES {
        for (whole, shifted) in [(false, true), (true, true), (false, false), (true, false)] {
            cases.push(case(shape, whole, shifted, &mut Random::new(14))?);
        }
    }
    Ok(cases)
}

fn random(random: &mut Random) -> Result<Case> {
    case(random.images(20_000), random.flag(), random.flag(), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
