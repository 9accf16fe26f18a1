//! One learned image for every slot of a batch, `shaders/elementwise/learned_image.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::plan::{Grid, Plan},
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/elementwise/learned_image.wgsl`.
    pub struct LearnedImageParams {
        /// Pixels of the batch.
        pixels: u32,
        /// Pixels of one image.
        plane: u32,
        /// Channels.
        c: u32,
        /// Of the image in `parameters`, in floats.
        offset: u32,
    }
}

crate::kernel! {
    "elementwise" / "learned_image", LearnedImageParams,
    lib: ["lib/grid"],
    bindings: [("parameters", Read), ("y", ReadWrite)],
}

/// Copies the image at `offset` of `parameters` (`[C, H, W]`) to every image of y.
///
/// Bindings: parameters f32 `[parameters_len]`, y `[N, H, W, C]`.
///
/// # Errors
/// More than four channels, a shape past 32-bit indices, or an image past the end of `parameters`.
pub fn plan(y: Nhwc, offset: u32, parameters_len: u32) -> Result<Plan> {
    check(y, offset, parameters_len)?;
    let params = LearnedImageParams { pixels: y.pixels(), plane: y.h * y.w, c: y.c, offset };
    let bytes = vec![u64::from(parameters_len) * 4, y.bytes()];
    Ok(Plan::new(&KERNEL, &params, Grid::Items(u64::from(y.pixels())), bytes))
}

/// Whether a learned image fits its place.
pub(crate) fn check(y: Nhwc, offset: u32, len: u32) -> Result<()> {
    let y = y.checked()?;
    if y.c > 4 {
        return Err(Error::Shape(format!("a learned image of {} channels, not 1 to 4", y.c)));
    }
    match offset.checked_add(y.c * y.h * y.w) {
        Some(end) if end <= len => Ok(()),
        _ => Err(Error::Shape(format!("an image {y} at {offset} does not fit {len} parameters"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_must_fit_the_parameters() {
        let y = Nhwc::new(2, 4, 4, 3);
        assert_eq!(plan(y, 2, 50).unwrap().bytes, [200, 2 * 16 * 16]);
        assert!(plan(y, 3, 50).is_err());
        assert!(plan(y, u32::MAX, 50).is_err());
        assert!(plan(y.with_c(5), 0, 500).is_err());
    }
}
