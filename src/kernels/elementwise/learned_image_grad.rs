//! Gradient of a learned image, `shaders/elementwise/learned_image_grad.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        elementwise::learned_image::check,
        plan::{Accumulate, Grid, MAX_GROUPS, Plan},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/elementwise/learned_image_grad.wgsl`.
    pub struct LearnedImageGradParams {
        /// Images.
        n: u32,
        /// Pixels of one image.
        plane: u32,
        /// Channels.
        c: u32,
        /// Of the image in `gradients`, in floats.
        offset: u32,
        /// Whether the sum is added to what is there.
        accumulate: u32,
    }
}

crate::kernel! {
    "elementwise" / "learned_image_grad", LearnedImageGradParams,
    lib: ["lib/grid"],
    bindings: [("dy", Read), ("gradients", ReadWrite)],
}

/// Sums dy over the batch into the image at `offset` of `gradients` (`[C, H, W]`).
///
/// Bindings: dy `[N, H, W, C]`, gradients f32 `[parameters_len]`, changed only at the image's place.
///
/// # Errors
/// As [`crate::kernels::elementwise::learned_image::plan`], or 65,536 images and more.
pub fn plan(dy: Nhwc, offset: u32, parameters_len: u32, into: Accumulate) -> Result<Plan> {
    check(dy, offset, parameters_len)?;
    if u64::from(dy.n) > MAX_GROUPS {
        return Err(Error::Shape(format!("{} images are too many for one loop", dy.n)));
    }
    let plane = dy.h * dy.w;
    let accumulate = u32::from(into == Accumulate::Add);
    let params = LearnedImageGradParams { n: dy.n, plane, c: dy.c, offset, accumulate };
    let bytes = vec![dy.bytes(), u64::from(parameters_len) * 4];
    Ok(Plan::new(&KERNEL, &params, Grid::Items(u64::from(plane)), bytes).costing(dy.bytes() / 4))
}
