//! Winograd's input transforms, `shaders/winograd/winograd*_input.wgsl`.

use crate::{
    error::Result,
    kernels::{
        plan::{Grid, Plan},
        winograd::{Form, Tiles, winograd4_input},
    },
};

crate::params! {
    /// Uniform block of `shaders/lib/winograd_input.wgsl`.
    pub struct WinogradInputParams {
        /// Images of one copy.
        images: u32,
        /// Input rows.
        x_h: u32,
        /// Input columns.
        x_w: u32,
        /// Channels of x, without padding.
        c: u32,
        /// Rows of tiles of an image.
        tiles_h: u32,
        /// Columns of tiles.
        tiles_w: u32,
        /// Zeros before the first row and column.
        padding: u32,
        /// Copies.
        copies: u32,
        /// First image.
        first: u32,
        /// Images.
        count: u32,
    }
}

crate::kernel! {
    "winograd" / "winograd_input", WinogradInputParams,
    lib: ["lib/grid", "lib/lanes", "lib/winograd_input"],
    bindings: [("x", Read), ("mask_in", Read), ("v", ReadWrite)],
}

/// Transforms the patches of some images; bindings x, `mask_in` (16 bytes if not `masked`), v.
///
/// # Errors
/// Shapes past 32-bit indices.
pub fn plan(tiles: Tiles, masked: bool) -> Result<Plan> {
    let (conv, [tiles_h, tiles_w]) = (tiles.conv, tiles.grid());
    let x = conv.x.checked()?;
    let params = WinogradInputParams {
        images: x.n,
        x_h: x.h,
        x_w: x.w,
        c: x.c,
        tiles_h,
        tiles_w,
        padding: tiles.padding(),
        copies: conv.copies,
        first: tiles.first,
        count: tiles.count,
    };
    let of_tiles = u64::from(tiles.tiles()) * u64::from(x.c4()) * u64::from(conv.copies);
    let mask = if masked { tiles.masks()[0] } else { 16 };
    let v = tiles.values(x.c).checked()?.bytes();
    let bytes = vec![x.bytes() * u64::from(conv.copies), mask, v];
    // An invocation takes four channels or one; operations on one.
    let (kernel, items, operations) = match tiles.form {
        Form::F2 => (&KERNEL, of_tiles, 32),
        Form::F4 => (&winograd4_input::KERNEL, 4 * of_tiles, 12 * 22),
    };
    let plan = Plan::new(kernel, &params, Grid::Items(items), bytes);
    let plan = plan.costing(4 * of_tiles * operations);
    Ok(plan.with("MASK_IN", f64::from(u8::from(masked))))
}
