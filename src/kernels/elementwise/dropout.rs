//! Dropout and its gradient, `shaders/elementwise/dropout.wgsl`.

use crate::{
    error::{Error, Result},
    fault::philox4x32_10,
    kernels::{
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, nan_padded, numbers::EPS, suite},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/elementwise/dropout.wgsl`.
    pub struct DropoutParams {
        /// Groups of four channels.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
        /// Index in the whole batch of the first value of this part.
        first: u32,
        /// Tells the dropout layers of a network apart.
        layer: u32,
        /// A value is dropped with probability `threshold / 2^32`.
        threshold: u32,
        /// Factor of the values that are kept.
        scale: f32,
    }
}

crate::kernel! {
    KERNEL: "elementwise" / "dropout", DropoutParams,
    lib: ["lib/grid", "lib/each", "lib/lanes", "lib/multiply", "lib/philox"],
    bindings: [("x", Read), ("seed", Read), ("y", ReadWrite)],
    trusted: true,
}

/// Last counter word of dropout's draws: "drop" in ASCII, so that they differ from the draws of
/// fault maps.
pub const STREAM: u32 = 0x6472_6f70;

/// Drops values of x with probability `p`. The same plan applied to the output's gradient gives the
/// input's gradient. `first` is the index in the whole batch of this part's first image.
///
/// Bindings: x `[N, H, W, C]`, seed u32 `[2]` (lo, hi), y like x.
///
/// # Errors
/// A shape too large for 32-bit indices, or a `p` outside 0 <= p < 1.
pub fn plan(x: Nhwc, p: f32, layer: u32, first: u32) -> Result<Plan> {
    let x = x.checked()?;
    if !(0.0..1.0).contains(&p) {
        return Err(Error::Shape(format!("dropout with probability {p}: 0 <= p < 1 is needed")));
    }
    let image = x.h * x.w * x.c;
    let Some(first) = (first + x.n).checked_mul(image).map(|_| first * image) else {
        return Err(Error::TooManyElements { what: format!("{first} images and {x}") });
    };
    let params = DropoutParams {
        vec4s: x.vec4s(),
        c: x.c,
        first,
        layer,
        // The product with 2^32 is exact, and `as` truncates.
        threshold: (f64::from(p) * 4_294_967_296.0) as u32,
        scale: 1.0 / (1.0 - p),
    };
    let plan = Plan::new(
        &KERNEL,
        &params,
        DispatchGrid::Items(u64::from(x.vec4s())),
        vec![x.bytes(), 8, x.bytes()],
    );
    // Four calls of Philox, ten rounds of about thirty operations each.
    Ok(plan.costing(1200 * u64::from(x.vec4s())))
}

/// Which values are kept; value 0 of the result is value `first` of the whole batch.
#[must_use]
pub fn kept(len: usize, first: u32, layer: u32, p: f32, seed: [u32; 2]) -> Vec<bool> {
    let draw = |j: u32| philox4x32_10([j / 4, layer, 0, STREAM], seed)[j as usize % 4];
    (0..len as u32)
        .map(|i| f64::from(draw(first + i)) >= (f64::from(p) * 2f64.powi(32)).floor())
        .collect()
}

fn case(shape: Nhwc, p: f32, layer: u32, first: u32, random: &mut Random) -> Result<Case> {
    let seed = [random.bits(), random.bits()];
    let x = random.floats((shape.pixels() * shape.c) as usize);
    let begin = first * shape.h * shape.w * shape.c;
    let kept = kept(x.len(), begin, layer, p, seed);
    let scale = 1.0 / (1.0 - f64::from(p));
    let y: Vec<f64> = x
        .iter()
        .zip(kept)
        .map(|(&x, keep)| f64::from(x) * if keep { scale } else { 0.0 })
        .collect();
    Ok(Case {
        label: format!("{shape} p {p} from image {first}"),
        plan: plan(shape, p, layer, first)?,
        data: vec![
            Data::input(&nan_padded(&x, shape.c)),
            Data::input(&seed),
            // The subtraction and division of the scale and the product may each round.
            Data::Output(Want::channels(&y, shape, |v| 2.0 * EPS * v.abs())),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(33);
    let shapes = [
        (Nhwc::new(1, 1, 1, 1), 0.5, 0, 0),
        (Nhwc::new(3, 1, 1, 4096), 0.5, 1, 0),
        (Nhwc::new(2, 3, 5, 10), 0.2, 7, 3),
        (Nhwc::new(5, 2, 2, 3), 0.9, 0, 11),
        (Nhwc::new(2, 2, 2, 6), 0.0, 0, 0),
    ];
    shapes
        .into_iter()
        .map(|(shape, p, layer, first)| case(shape, p, layer, first, &mut random))
        .collect()
}

fn random(random: &mut Random) -> Result<Case> {
    let (shape, p) = (random.images(20_000), random.of(&[0.0, 0.1, 0.5, 0.9]));
    let (layer, first) = (random.below(60), random.below(300));
    case(shape, p, layer, first, random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_is_below_one() {
        let x = Nhwc::new(2, 1, 1, 10);
        assert!(plan(x, 0.0, 0, 0).is_ok() && plan(x, 0.5, 1, 4).is_ok());
        for p in [1.0, -0.1, f32::NAN] {
            assert!(plan(x, p, 0, 0).is_err(), "{p}");
        }
        assert!(plan(x, 0.5, 0, u32::MAX / 10).is_err());
    }
}
