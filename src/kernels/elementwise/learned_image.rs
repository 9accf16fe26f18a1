//! Copies one learned image to every image of a batch, and its gradient:
//! `shaders/elementwise/learned_image*.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{Accumulate, DispatchGrid, MAX_GROUPS, Plan},
        twin::{Case, Data, Random, Suite, Want, at, elements, nan_padded, numbers::EPS, suite},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/elementwise/learned_image.wgsl`.
    pub struct LearnedImageParams {
        /// Groups of four channels of y.
        vec4s: u32,
        /// Pixels of one image.
        plane: u32,
        /// Channels.
        c: u32,
        /// Offset of the image in `parameters`, in floats.
        offset: u32,
    }
}

crate::kernel! {
    KERNEL: "elementwise" / "learned_image", LearnedImageParams,
    lib: ["lib/grid", "lib/each"],
    bindings: [("parameters", Read), ("y", ReadWrite)],
}

/// Copies the image at `offset` of `parameters` (`[C, H, W]`) to every image of y.
///
/// Bindings: parameters f32 `[parameters_len]`, y `[N, H, W, C]`.
///
/// # Errors
/// A shape too large for 32-bit indices, or an image past the end of `parameters`.
pub fn plan(y: Nhwc, offset: u32, parameters_len: u32) -> Result<Plan> {
    check(y, offset, parameters_len)?;
    let params = LearnedImageParams { vec4s: y.vec4s(), plane: y.h * y.w, c: y.c, offset };
    let bytes = vec![u64::from(parameters_len) * 4, y.bytes()];
    Ok(Plan::new(&KERNEL, &params, DispatchGrid::Items(u64::from(y.vec4s())), bytes))
}

/// Checks that a learned image lies within `len` parameters.
pub(crate) fn check(y: Nhwc, offset: u32, len: u32) -> Result<()> {
    let y = y.checked()?;
    match offset.checked_add(y.c * y.h * y.w) {
        Some(end) if end <= len => Ok(()),
        _ => Err(Error::Shape(format!("an image {y} at {offset} does not fit {len} parameters"))),
    }
}

crate::params! {
    /// Uniform block of `shaders/elementwise/learned_image_grad.wgsl`.
    pub struct LearnedImageGradParams {
        /// Images.
        n: u32,
        /// Pixels of one image.
        plane: u32,
        /// Channels.
        c: u32,
        /// Offset of the image in `gradients`, in floats.
        offset: u32,
        /// Whether the sum is added to what is there.
        accumulate: u32,
    }
}

crate::kernel! {
    GRAD: "elementwise" / "learned_image_grad", LearnedImageGradParams,
    lib: ["lib/grid", "lib/each"],
    bindings: [("dy", Read), ("gradients", ReadWrite)],
}

/// Sums dy over the batch into the image at `offset` of `gradients` (`[C, H, W]`).
///
/// Bindings: dy `[N, H, W, C]`, gradients f32 `[parameters_len]`, of which only the image is
/// changed.
///
/// # Errors
/// Those of [`plan`], or 65,536 images or more.
pub fn plan_grad(dy: Nhwc, offset: u32, parameters_len: u32, into: Accumulate) -> Result<Plan> {
    check(dy, offset, parameters_len)?;
    if u64::from(dy.n) > MAX_GROUPS {
        return Err(Error::Shape(format!("{} images are too many for one loop", dy.n)));
    }
    let plane = dy.h * dy.w;
    let accumulate = u32::from(into == Accumulate::Add);
    let params = LearnedImageGradParams { n: dy.n, plane, c: dy.c, offset, accumulate };
    let bytes = vec![dy.bytes(), u64::from(parameters_len) * 4];
    let groups = u64::from(plane) * u64::from(dy.c4());
    Ok(Plan::new(&GRAD, &params, DispatchGrid::Items(groups), bytes).costing(dy.bytes() / 4))
}

/// Shapes of batches, offsets of the image, and numbers of parameters.
const PLACES: [(Nhwc, u32, u32); 5] = [
    (Nhwc { n: 1, h: 1, w: 1, c: 1 }, 0, 1),
    (Nhwc { n: 3, h: 5, w: 7, c: 3 }, 4, 120),
    (Nhwc { n: 2, h: 32, w: 32, c: 3 }, 1, 3073),
    (Nhwc { n: 67, h: 3, w: 2, c: 4 }, 0, 24),
    (Nhwc { n: 2, h: 3, w: 5, c: 7 }, 3, 110),
];

/// Index of element `[_, h, w, c]` in an image `[C, H, W]`.
pub(crate) fn planar(shape: Nhwc, [_, h, w, c]: [u32; 4]) -> usize {
    ((c * shape.h + h) * shape.w + w) as usize
}

/// The image repeated for the whole batch, `[N, H, W, C]`.
#[must_use]
pub fn learned_image(image: &[f32], shape: Nhwc) -> Vec<f64> {
    let mut y = vec![0.0; (shape.pixels() * shape.c) as usize];
    for element in elements(shape) {
        y[at(shape, element)] = f64::from(image[planar(shape, element)]);
    }
    y
}

fn case(shape: Nhwc, offset: u32, len: u32, random: &mut Random) -> Result<Case> {
    let parameters = random.floats(len as usize);
    let y = learned_image(&parameters[offset as usize..], shape);
    Ok(Case {
        label: format!("{shape} at {offset}"),
        plan: plan(shape, offset, len)?,
        data: vec![Data::input(&parameters), Data::Output(Want::channels(&y, shape, |_| 0.0))],
    })
}

/// Draws the shape of a batch, the offset of the image, and the number of parameters.
pub(crate) fn draw(random: &mut Random) -> (Nhwc, u32, u32) {
    let shape = random.images(10_000);
    let (before, after) = (random.below(9), random.below(9));
    (shape, before, before + shape.h * shape.w * shape.c + after)
}

fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(31);
    PLACES.iter().map(|&(shape, offset, len)| case(shape, offset, len, &mut random)).collect()
}

fn random(random: &mut Random) -> Result<Case> {
    let (shape, offset, len) = draw(random);
    case(shape, offset, len, random)
}

/// Sums over the batch, `[C, H, W]`, of the values and of their magnitudes.
#[must_use]
pub fn learned_image_grad(dy: &[f32], shape: Nhwc) -> [Vec<f64>; 2] {
    let len = (shape.c * shape.h * shape.w) as usize;
    let (mut sums, mut magnitudes) = (vec![0.0; len], vec![0.0; len]);
    for element in elements(shape) {
        let v = f64::from(dy[at(shape, element)]);
        sums[planar(shape, element)] += v;
        magnitudes[planar(shape, element)] += v.abs();
    }
    [sums, magnitudes]
}

fn grad_case(
    (shape, offset, len): (Nhwc, u32, u32),
    into: Accumulate,
    whole: bool,
    random: &mut Random,
) -> Result<Case> {
    let elements = (shape.pixels() * shape.c) as usize;
    let mut draw = |len: usize| {
        if whole { random.integers(len, 99) } else { random.floats(len) }
    };
    let (dy, before) = (draw(elements), draw(len as usize));
    let [sums, magnitudes] = learned_image_grad(&dy, shape);
    let mut after: Vec<f64> = before.iter().map(|&v| f64::from(v)).collect();
    let mut bounds = vec![0.0; after.len()];
    for (i, (sum, magnitude)) in sums.iter().zip(&magnitudes).enumerate() {
        let at = offset as usize + i;
        let old = if into == Accumulate::Add { after[at] } else { 0.0 };
        after[at] = old + sum;
        // Adding an image rounds a number of at most the sum of magnitudes.
        let roundings = EPS * (f64::from(shape.n) + 1.0);
        bounds[at] = if whole { 0.0 } else { roundings * (magnitude + old.abs()) };
    }
    Ok(Case {
        label: format!("{shape} at {offset} {into:?}{}", if whole { " integers" } else { "" }),
        plan: plan_grad(shape, offset, len, into)?,
        data: vec![
            Data::input(&nan_padded(&dy, shape.c)),
            Data::in_out(&before, Want::bounded(after, bounds)),
        ],
    })
}

fn grad_cases() -> Result<Vec<Case>> {
    let mut random = Random::new(32);
    let mut cases = Vec::new();
    for place in PLACES {
        for (into, whole) in
            [(Accumulate::Replace, false), (Accumulate::Add, false), (Accumulate::Add, true)]
        {
            cases.push(grad_case(place, into, whole, &mut random)?);
        }
    }
    Ok(cases)
}

fn random_grad(random: &mut Random) -> Result<Case> {
    let into = random.of(&[Accumulate::Replace, Accumulate::Add]);
    grad_case(draw(random), into, random.flag(), random)
}

/// The kernels with their cases.
pub static SUITES: [Suite; 2] =
    [suite!(KERNEL, cases, random), suite!(GRAD, grad_cases, random_grad)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_must_fit_the_parameters() {
        let y = Nhwc::new(2, 4, 4, 3);
        assert_eq!(plan(y, 2, 50).unwrap().bytes, [200, 2 * 16 * 16]);
        assert!(plan(y, 3, 50).is_err());
        assert!(plan(y, u32::MAX, 50).is_err());
        assert!(plan(y.with_c(5), 0, 79).is_err() && plan(y.with_c(5), 0, 80).is_ok());
    }
}
