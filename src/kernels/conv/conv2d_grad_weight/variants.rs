//! The variants of the weight gradient, `shaders/conv/conv2d_grad_weight*.wgsl`, the best first.

use crate::kernels::{
    desc::{Requires, Variant},
    tiles::{Preferred, Tile},
};

/// A variant's text: the lines that enable features, the pieces that all variants share, its further
/// pieces, and its own file.
macro_rules! joined {
    ($([$($first:literal),+],)? $($own:literal $(/ $stem:literal)?),+) => {
        crate::wgsl!($($($first,)+)? "lib/grid", "lib/lanes", "lib/operand", "lib/conv2d_grad_weight", $($own $(/ $stem)?),+)
    };
}

/// A variant of cooperative matrices, whose entry point is in `$main`, of `$workgroup` lanes and with the tile `$tile`.
macro_rules! cooperative {
    ($name:literal, $stem:literal, $main:literal, $requires:expr, $workgroup:literal, $tile:expr) => {
        Variant {
            workgroups: &[$workgroup],
            tile: |_| $tile,
            requires: $requires,
            only: Some(("DTYPE", 1)),
            ..Variant::tiled(
                $name,
                $stem,
                joined!(
                    ["lib/cooperative", "lib/cooperative_tile"],
                    "lib/conv2d_grad_weight_spots",
                    "lib/conv2d_grad_weight_coop",
                    $main,
                    "conv" / $stem
                ),
            )
        }
    };
}

/// A variant whose lanes own 8 x 8 results, of `$workgroup` lanes and with the tile `$tile`.
macro_rules! tile8 {
    ($name:literal, $stem:literal, $workgroup:literal, $tile:expr) => {
        Variant {
            workgroups: &[$workgroup],
            tile: |_| $tile,
            only: Some(("GENERAL", 0)),
            ..Variant::tiled(
                $name,
                $stem,
                joined!(
                    "lib/tile8",
                    "lib/conv2d_grad_weight_spots",
                    "lib/conv2d_grad_weight_tile8",
                    "conv" / $stem
                ),
            )
        }
    };
}

pub(super) static ALL: [Variant; 12] = [
    cooperative!(
        "coop16_wide",
        "conv2d_grad_weight_coop16_wide",
        "lib/cooperative_16_wide",
        Requires::WideCooperativeMatrix(16),
        256,
        [16, 32, 1]
    ),
    cooperative!(
        "coop16",
        "conv2d_grad_weight_coop16",
        "lib/cooperative_16",
        Requires::CooperativeMatrix(16),
        256,
        [16, 32, 1]
    ),
    cooperative!(
        "coop8",
        "conv2d_grad_weight_coop8",
        "lib/cooperative_8",
        Requires::CooperativeMatrix(8),
        128,
        [16, 16, 1]
    ),
    tile8!("tile64", "conv2d_grad_weight_tile64", 128, [16, 32, 1]),
    tile8!("tile128", "conv2d_grad_weight_tile128", 256, [32, 32, 1]),
    tile8!("tile32", "conv2d_grad_weight_tile32", 128, [8, 64, 1]),
    tile8!("tile16", "conv2d_grad_weight_tile16", 64, [4, 64, 1]),
    Variant {
        workgroups: &[256, 128],
        tile: |workgroup| [16, workgroup / 8, 1],
        only: Some(("GENERAL", 0)),
        ..Variant::tiled(
            "tile",
            "conv2d_grad_weight_tile",
            joined!("lib/conv2d_grad_weight_tile", "conv/conv2d_grad_weight_tile"),
        )
    },
    Variant {
        tile: |_| [8, 4, 1],
        only: Some(("GENERAL", 0)),
        ..Variant::of_8_lanes(
            "subgroup8",
            "conv2d_grad_weight_subgroup8",
            joined!("conv/conv2d_grad_weight_subgroup8"),
        )
    },
    Variant {
        tile: |_| [8, 8, 1],
        only: Some(("GENERAL", 0)),
        ..Variant::of_8_lanes(
            "subgroup8_wide",
            "conv2d_grad_weight_subgroup8_wide",
            joined!("conv/conv2d_grad_weight_subgroup8_wide"),
        )
    },
    Variant {
        tile: |_| [2, 24, 1],
        only: Some(("NARROW", 1)),
        ..Variant::of_8_lanes(
            "narrow8",
            "conv2d_grad_weight_narrow8",
            joined!("conv/conv2d_grad_weight_narrow8"),
        )
    },
    Variant {
        tile: |workgroup| [1, workgroup, 1],
        ..Variant::hot("plain", "conv2d_grad_weight", joined!("conv/conv2d_grad_weight"))
    },
];

/// The tiles of 8 x 8 results a lane, with the variants to try first where one of them suits the shape.
pub(super) const TILES: [(Tile, Preferred); 4] = [
    (Tile { width: 64, height: 32, share: 92 }, &["coop16_wide", "coop16", "coop8", "tile64"]),
    (Tile { width: 128, height: 32, share: 92 }, &["coop16_wide", "coop16", "coop8", "tile128"]),
    (Tile { width: 32, height: 64, share: 86 }, &["coop16_wide", "coop16", "coop8", "tile32"]),
    (Tile { width: 16, height: 64, share: 80 }, &["coop16_wide", "coop16", "coop8", "tile16"]),
];
