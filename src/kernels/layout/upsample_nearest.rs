//! Enlargement by a whole factor, `shaders/layout/upsample_nearest.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::plan::{Grid, Plan},
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/layout/upsample_nearest.wgsl`.
    pub struct UpsampleNearestParams {
        /// Groups of four channels of y.
        vec4s: u32,
        /// Channels without padding.
        c: u32,
        /// Rows of the small image.
        h: u32,
        /// Columns of the small image.
        w: u32,
        /// How many times larger the other image is, in both directions.
        factor: u32,
    }
}

crate::kernel! {
    "layout" / "upsample_nearest", UpsampleNearestParams,
    lib: ["lib/grid", "lib/lanes", "lib/place"],
    bindings: [("x", Read), ("y", ReadWrite)],
}

/// Shape of the enlarged image.
///
/// # Errors
/// A factor of 0, or a result past 32-bit indices.
pub fn output(x: Nhwc, factor: u32) -> Result<Nhwc> {
    match (x.checked()?.h.checked_mul(factor), x.w.checked_mul(factor)) {
        (Some(h @ 1..), Some(w @ 1..)) => Nhwc { h, w, ..x }.checked(),
        _ => Err(Error::Shape(format!("{x} cannot be enlarged by a factor of {factor}"))),
    }
}

/// Every pixel becomes `factor` x `factor`; `x` is the small image; bindings x, y.
///
/// # Errors
/// As [`output`].
pub fn plan(x: Nhwc, factor: u32) -> Result<Plan> {
    let y = output(x, factor)?;
    let params = UpsampleNearestParams { vec4s: y.vec4s(), c: x.c, h: x.h, w: x.w, factor };
    let grid = Grid::Items(u64::from(y.vec4s()));
    Ok(Plan::new(&KERNEL, &params, grid, vec![x.bytes(), y.bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_of_0_and_past_32_bits_are_refused() {
        let x = Nhwc::new(1, 3, 4, 8);
        assert_eq!(output(x, 2).unwrap(), Nhwc::new(1, 6, 8, 8));
        for factor in [0, 1 << 20, 1 << 31] {
            assert!(plan(x, factor).is_err(), "{factor}");
        }
    }
}
