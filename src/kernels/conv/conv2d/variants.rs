//! The variants of the convolution, `shaders/conv/conv2d*.wgsl`, the best first.

use crate::kernels::{
    desc::{Requires, Variant},
    tiles::{Preferred, Tile},
};

/// A variant's text: the lines that enable features, the pieces that all variants share, its further
/// pieces, and its own file.
macro_rules! joined {
    ($([$($first:literal),+],)? $($own:literal $(/ $stem:literal)?),+) => {
        crate::wgsl!(
            $($($first,)+)? "lib/grid", "lib/lanes", "lib/special", "lib/operand", "lib/conv2d", "lib/epilogue",
            $($own $(/ $stem)?),+
        )
    };
}

/// A variant of cooperative matrices, whose entry point is in `$main`, of `$workgroup` lanes and with the tile `$tile`.
macro_rules! cooperative {
    ($name:literal, $stem:literal, $main:literal, $requires:expr, $workgroup:literal, $tile:expr) => {
        Variant {
            workgroups: &[$workgroup],
            tile: |_| $tile,
            requires: $requires,
            only: Some(("MATRICES", 1)),
            ..Variant::tiled(
                $name,
                $stem,
                joined!(
                    ["lib/cooperative", "lib/cooperative_tile"],
                    "lib/conv2d_place",
                    "lib/conv2d_digits",
                    "lib/conv2d_gather",
                    "lib/conv2d_coop",
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
            only: Some(("TILES", 1)),
            ..Variant::tiled(
                $name,
                $stem,
                joined!(
                    "lib/conv2d_place",
                    "lib/conv2d_octet",
                    "lib/tile8",
                    "lib/tile8_step",
                    "lib/conv2d_digits",
                    "lib/conv2d_gather",
                    "lib/conv2d_tile8",
                    "conv" / $stem
                ),
            )
        }
    };
}

pub(super) static ALL: [Variant; 12] = [
    cooperative!(
        "coop16_wide",
        "conv2d_coop16_wide",
        "lib/cooperative_16_wide",
        Requires::WideCooperativeMatrix(16),
        256,
        [16, 128, 1]
    ),
    cooperative!(
        "coop16",
        "conv2d_coop16",
        "lib/cooperative_16",
        Requires::CooperativeMatrix(16),
        256,
        [16, 128, 1]
    ),
    cooperative!(
        "coop8",
        "conv2d_coop8",
        "lib/cooperative_8",
        Requires::CooperativeMatrix(8),
        128,
        [16, 64, 1]
    ),
    tile8!("tile64", "conv2d_tile64", 128, [16, 128, 1]),
    tile8!("tile128", "conv2d_tile128", 256, [32, 128, 1]),
    tile8!("tile32", "conv2d_tile32", 128, [8, 256, 1]),
    tile8!("tile16", "conv2d_tile16", 64, [4, 256, 1]),
    // 8 x 4 results take half of the registers: GCN runs one subgroup of 8 x 8 at a time and two of these
    // (docs/benchmarks/isa.md).
    Variant {
        workgroups: &[256, 128],
        tile: |workgroup| [16, workgroup / 2, 1],
        only: Some(("GENERAL", 0)),
        ..Variant::tiled(
            "tile",
            "conv2d_tile",
            joined!("lib/conv2d_place", "lib/conv2d_octet", "lib/conv2d_tile", "conv/conv2d_tile"),
        )
    },
    Variant {
        tile: |_| [8, 32, 1],
        only: Some(("GENERAL", 0)),
        ..Variant::of_8_lanes("subgroup8", "conv2d_subgroup8", joined!("conv/conv2d_subgroup8"))
    },
    Variant {
        tile: |_| [2, 64, 1],
        only: Some(("NARROW", 1)),
        ..Variant::of_8_lanes(
            "narrow8",
            "conv2d_narrow8",
            joined!("lib/conv2d_row", "conv/conv2d_narrow8"),
        )
    },
    Variant {
        // It takes as many turns as it needs; a strip has 64 pixels of an image without a remainder.
        tile: |workgroup| [1, 64 * workgroup, 1],
        only: Some(("SLIDING", 1)),
        ..Variant::hot(
            "sliding",
            "conv2d_sliding",
            joined!("lib/conv2d_row", "conv/conv2d_sliding"),
        )
    },
    Variant {
        tile: |workgroup| [1, 8 * workgroup, 1],
        ..Variant::hot("plain", "conv2d", joined!("conv/conv2d"))
    },
];

/// The tiles of 8 x 8 results a lane, with the variants to try first where one of them suits the shape.
pub(super) const TILES: [(Tile, Preferred); 4] = [
    (Tile { width: 64, height: 128, share: 95 }, &["coop16_wide", "coop16", "coop8", "tile64"]),
    (Tile { width: 128, height: 128, share: 96 }, &["coop16_wide", "coop16", "coop8", "tile128"]),
    (Tile { width: 32, height: 256, share: 91 }, &["coop16_wide", "coop16", "coop8", "tile32"]),
    (Tile { width: 16, height: 256, share: 86 }, &["coop16_wide", "coop16", "coop8", "tile16"]),
];
