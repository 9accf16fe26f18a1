//! Winograd's output transforms and the convolution's epilogue, `shaders/winograd/winograd*_output.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        conv::conv2d::Fusion,
        plan::{Grid, Plan},
        winograd::{Form, Tiles, winograd4_output},
    },
};

crate::params! {
    /// Uniform block of `shaders/lib/winograd_output.wgsl`.
    pub struct WinogradOutputParams {
        /// Images of one copy.
        images: u32,
        /// Output rows.
        y_h: u32,
        /// Output columns.
        y_w: u32,
        /// Channels of y, without padding.
        k: u32,
        /// Copies.
        copies: u32,
        /// First image.
        first: u32,
        /// Images.
        count: u32,
        /// Of the first channel's scale in `affine`.
        scale_offset: u32,
        /// Of the first channel's shift in `affine`.
        shift_offset: u32,
    }
}

crate::kernel! {
    "winograd" / "winograd_output", WinogradOutputParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/winograd_output", "lib/epilogue"],
    bindings: [
        ("m", Read),
        ("affine", Read),
        ("residual", Read),
        ("y", ReadWrite),
        ("mask_out", ReadWrite),
    ],
}

/// Writes the output pixels of some images; bindings m, affine, residual, y, `mask_out` (16 bytes where
/// the fusion leaves them out; its `mask_in` belongs to the input transform).
///
/// # Errors
/// Shapes past 32-bit indices, or a mask asked of a transposed output.
pub fn plan(tiles: Tiles, fusion: Fusion) -> Result<Plan> {
    let conv = tiles.conv;
    if fusion.mask_out && conv.transposed {
        return Err(Error::Shape("a transposed convolution records no mask".into()));
    }
    let y = conv.y.checked()?;
    let params = WinogradOutputParams {
        images: y.n,
        y_h: y.h,
        y_w: y.w,
        k: y.c,
        copies: conv.copies,
        first: tiles.first,
        count: tiles.count,
        scale_offset: fusion.scale.unwrap_or(0),
        shift_offset: fusion.shift.unwrap_or(0),
    };
    let y_bytes = y.bytes() * u64::from(conv.copies);
    let optional = |wanted: bool, bytes: u64| if wanted { bytes } else { 16 };
    let bytes = vec![
        tiles.values(y.c).checked()?.bytes(),
        optional(fusion.affine_len > 0, u64::from(fusion.affine_len) * 4),
        optional(fusion.residual, y_bytes),
        y_bytes,
        optional(fusion.mask_out, tiles.masks()[1]),
    ];
    // Tiles of F(4x4, 3x3) beside each other that one invocation takes, for whole words of the mask.
    let across = if fusion.mask_out && y.w != 4 { 2 } else { 1 };
    let fours = u64::from(y.c4()) * u64::from(conv.copies);
    // Operations on one channel: the transform's, and eight of the epilogue for a pixel.
    let (kernel, items, operations) = match tiles.form {
        // Eight pixels of four channels; 12 additions for two pixels.
        Form::F2 => {
            let octets = u64::from((tiles.count * y.h * y.w).div_ceil(8));
            (&KERNEL, octets * fours, octets * (4 * 12 + 8 * 8))
        }
        // Tiles of one channel; 16 operations for each of six columns and four rows.
        Form::F4 => {
            let runs = u64::from(tiles.tiles() / across);
            let operations = u64::from(tiles.tiles()) * (10 * 16 + 16 * 8);
            (&winograd4_output::KERNEL, runs * 4 * fours, operations)
        }
    };
    let flag = |on: bool| f64::from(u8::from(on));
    let plan = Plan::new(kernel, &params, Grid::Items(items), bytes)
        .with("SCALE", flag(fusion.scale.is_some()))
        .with("SHIFT", flag(fusion.shift.is_some()))
        .with("RESIDUAL", flag(fusion.residual))
        .with("RELU", flag(fusion.relu))
        .with("MASK_OUT", flag(fusion.mask_out));
    let plan = match tiles.form {
        Form::F2 => plan,
        Form::F4 => plan.with("ACROSS", across),
    };
    Ok(plan.costing(4 * fours * operations))
}
