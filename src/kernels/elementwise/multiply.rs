//! Product of two tensors, or of a tensor with a gate per image and channel,
//! `shaders/elementwise/multiply.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        elementwise::each::SHAPES,
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, nan_padded, numbers::EPS, suite},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/lib/gate.wgsl`.
    pub struct GateParams {
        /// Groups of four channels of what the kernel writes.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
        /// Pixels of an image.
        pixels: u32,
    }
}

crate::kernel! {
    KERNEL: "elementwise" / "multiply", GateParams,
    lib: ["lib/grid", "lib/each", "lib/gate", "lib/lanes"],
    bindings: [("a", Read), ("b", Read), ("y", ReadWrite)],
}

/// `y = a b`, where `b` has the shape of `a` or one pixel per image; bindings a, b, y.
///
/// # Errors
/// Other shapes of `b`, or shapes too large for 32-bit indices.
pub fn plan(a: Nhwc, b: Nhwc) -> Result<Plan> {
    let (a, b) = (a.checked()?, b.checked()?);
    let gate = b == Nhwc { h: 1, w: 1, ..a };
    if !gate && a != b {
        return Err(Error::Shape(format!("the product of {a} and {b}")));
    }
    let params = GateParams { vec4s: a.vec4s(), c: a.c, pixels: a.h * a.w };
    let grid = DispatchGrid::Items(u64::from(a.vec4s()));
    let plan = Plan::new(&KERNEL, &params, grid, vec![a.bytes(), b.bytes(), a.bytes()]);
    let flops = u64::from(a.pixels()) * u64::from(a.c);
    Ok(plan.with("GATE", u32::from(gate && a != b)).costing(flops))
}

/// The product; `b` has as many values as `a`, or one per image and channel.
#[must_use]
pub fn multiply(a: &[f32], shape: Nhwc, b: &[f32]) -> Vec<f64> {
    let (c, image) = (shape.c as usize, (shape.h * shape.w * shape.c) as usize);
    let at = |i: usize| if b.len() == a.len() { i } else { i / image * c + i % c };
    a.iter().enumerate().map(|(i, &a)| f64::from(a) * f64::from(b[at(i)])).collect()
}

fn case(shape: Nhwc, gate: bool, random: &mut Random) -> Result<Case> {
    let of_b = if gate { Nhwc { h: 1, w: 1, ..shape } } else { shape };
    let [a, b] = [shape, of_b].map(|of| random.floats((of.pixels() * of.c) as usize));
    let y = multiply(&a, shape, &b);
    Ok(Case {
        label: format!("{shape} by {of_b}"),
        plan: plan(shape, of_b)?,
        data: vec![
            Data::input(&nan_padded(&a, shape.c)),
            Data::input(&nan_padded(&b, shape.c)),
            Data::Output(Want::channels(&y, shape, |v| EPS * v.abs())),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let pairs = SHAPES.into_iter().flat_map(|shape| [false, true].map(|gate| (shape, gate)));
    pairs.map(|(shape, gate)| case(shape, gate, &mut Random::new(44))).collect()
}

fn random(random: &mut Random) -> Result<Case> {
    case(random.images(20_000), random.flag(), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_shapes_are_refused() {
        let a = Nhwc::new(2, 4, 5, 6);
        assert!(plan(a, a).is_ok() && plan(a, Nhwc::new(2, 1, 1, 6)).is_ok());
        for b in [Nhwc::new(1, 1, 1, 6), Nhwc::new(2, 4, 1, 6), Nhwc::new(2, 4, 5, 1)] {
            assert!(plan(a, b).is_err(), "{b}");
        }
    }
}
