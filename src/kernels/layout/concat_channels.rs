//! Concatenation of two images along their channels, `shaders/layout/concat_channels.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, nan_padded, suite},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/layout/concat_channels.wgsl`.
    pub struct ConcatChannelsParams {
        /// Groups of four channels of y.
        vec4s: u32,
        /// Channels of a, without padding.
        a_c: u32,
        /// Channels of b, without padding.
        b_c: u32,
    }
}

crate::kernel! {
    KERNEL: "layout" / "concat_channels", ConcatChannelsParams,
    lib: ["lib/grid", "lib/each", "lib/lanes"],
    bindings: [("a", Read), ("b", Read), ("y", ReadWrite)],
}

/// `y = [a, b]` along the channels; bindings a, b, y. The gradients are slices of dy:
/// [`super::gather2d::Gather::channels`] with offsets 0 and `a.c`.
///
/// # Errors
/// Shapes that differ in more than their channels, or a result too large for 32-bit indices.
pub fn plan(a: Nhwc, b: Nhwc) -> Result<Plan> {
    let (a, b) = (a.checked()?, b.checked()?);
    if a.with_c(0) != b.with_c(0) {
        return Err(Error::Shape(format!("{a} and {b} differ in more than their channels")));
    }
    let c =
        a.c.checked_add(b.c).ok_or_else(|| Error::Shape(format!("{a} and {b} are too large")))?;
    let y = a.with_c(c).checked()?;
    let params = ConcatChannelsParams { vec4s: y.vec4s(), a_c: a.c, b_c: b.c };
    let bytes = vec![a.bytes(), b.bytes(), y.bytes()];
    Ok(Plan::new(&KERNEL, &params, DispatchGrid::Items(u64::from(y.vec4s())), bytes))
}

/// The concatenation of every pixel's `a_c` and `b_c` channels.
#[must_use]
pub fn concat_channels(a: &[f32], b: &[f32], a_c: u32, b_c: u32) -> Vec<f64> {
    let pixels = a.chunks(a_c as usize).zip(b.chunks(b_c as usize));
    pixels.flat_map(|(a, b)| a.iter().chain(b)).map(|&v| f64::from(v)).collect()
}

fn case(shape: Nhwc, b_c: u32, random: &mut Random) -> Result<Case> {
    let a_c = shape.c;
    let a = random.floats((shape.pixels() * a_c) as usize);
    let b = random.floats((shape.pixels() * b_c) as usize);
    let y = concat_channels(&a, &b, a_c, b_c);
    Ok(Case {
        label: format!("{shape} and {b_c} channels"),
        plan: plan(shape, shape.with_c(b_c))?,
        data: vec![
            Data::input(&nan_padded(&a, a_c)),
            Data::input(&nan_padded(&b, b_c)),
            Data::Output(Want::channels(&y, shape.with_c(a_c + b_c), |_| 0.0)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    [(1, 1), (3, 5), (4, 4), (8, 3), (10, 1), (3, 1), (7, 10), (16, 32), (2, 13)]
        .into_iter()
        .map(|(a_c, b_c)| case(Nhwc::new(2, 3, 5, a_c), b_c, &mut Random::new(10)))
        .collect()
}

fn random(random: &mut Random) -> Result<Case> {
    case(random.images(10_000), random.length(70), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_different_sizes_are_refused() {
        let a = Nhwc::new(2, 3, 4, 5);
        assert_eq!(plan(a, a.with_c(2)).unwrap().bytes, [768, 384, 768]);
        for b in [Nhwc::new(1, 3, 4, 5), Nhwc::new(2, 4, 4, 5), Nhwc::new(2, 3, 3, 5)] {
            let refused = plan(a, b).unwrap_err().to_string();
            assert!(refused.contains("[n=2 h=3 w=4 c=5]"), "{refused}");
        }
        assert!(plan(a, a.with_c(0)).is_err());
    }
}
