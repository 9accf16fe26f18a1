//! Batches of stored images, shifted and flipped, `shaders/images/image_batch.wgsl`.

pub mod twin;

use crate::{
    error::{Error, Result},
    kernels::plan::{Grid, Plan},
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/images/image_batch.wgsl`.
    pub struct ImageBatchParams {
        /// Images in the batch.
        n: u32,
        /// Rows.
        h: u32,
        /// Columns.
        w: u32,
        /// First image of the shard.
        first: u32,
        /// Images in the shard.
        count: u32,
    }
}

crate::kernel! {
    "images" / "image_batch", ImageBatchParams,
    lib: ["lib/grid"],
    bindings: [("pixels", Read), ("picks", Read), ("y", ReadWrite)],
}

/// Fills the slots of a batch whose images lie in one shard of the set.
///
/// Bindings: pixels, the shard's bytes `[count, 3, h, w]` in whole words; picks u32 `[n, 4]`, the
/// image's index in the set, [`shift`] and [`motion`]; y f32 `[n, h, w, 3]` in [-1, 1], other slots kept.
///
/// # Errors
/// Nothing to do, images of more than 1024 rows or columns, or more bytes or pixels than 32-bit
/// indices reach.
pub fn plan(n: u32, h: u32, w: u32, first: u32, count: u32) -> Result<Plan> {
    let y = Nhwc::new(n, h, w, 3).checked()?;
    let shard = u64::from(count) * 3 * u64::from(h) * u64::from(w);
    if h.max(w) > MAX_SIDE
        || shard == 0
        || shard > u64::from(u32::MAX)
        || first.checked_add(count).is_none()
    {
        return Err(Error::Shape(format!("a shard of {count} images of {h}x{w} from {first}")));
    }
    let params = ImageBatchParams { n, h, w, first, count };
    let bytes = vec![shard.next_multiple_of(4), u64::from(n) * 16, y.bytes()];
    Ok(Plan::new(&KERNEL, &params, Grid::Items(u64::from(y.pixels())), bytes)
        .costing(u64::from(y.pixels()) * 12))
}

/// Rows and columns of an image, at most: products of a motion must fit 32 bits.
const MAX_SIDE: u32 = 1024;
/// Of a motion's inverse scale: images are enlarged or reduced by at most so much.
const MAX_SCALE: f64 = 8.0;

/// The last words of a pick: an image scaled by `scale` about its middle and moved `down` and `right`
/// by whole pixels.
#[must_use]
pub fn motion(down: i32, right: i32, scale: f64) -> [u32; 2] {
    let most = MAX_SIDE.cast_signed();
    let half = |d: i32| d.clamp(-most, most).cast_unsigned() & 0xffff;
    let inverse = (65_536.0 / scale.clamp(1.0 / MAX_SCALE, MAX_SCALE)).round() as u32;
    [half(down) | half(right) << 16, inverse]
}

/// The second word of a pick: the source of pixel (r, c) is (r + dy, c + dx), after mirroring c
/// when `flip`. Clamped to -128..=127.
#[must_use]
pub fn shift(dy: i32, dx: i32, flip: bool) -> u32 {
    let byte = |d: i32| (d.clamp(-128, 127) + 128).unsigned_abs();
    byte(dy) | byte(dx) << 8 | u32::from(flip) << 16
}
