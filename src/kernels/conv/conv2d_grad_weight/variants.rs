//! The variants of the weight gradient, `shaders/conv/conv2d_grad_weight*.wgsl`, the best first.

use crate::kernels::{
    desc::{Requires, Suits, Variant, WORKGROUPS},
    tiles::{Preferred, Tile},
};

/// A variant's text: the lines that enable features, the pieces that all variants share, its further
/// pieces, and its own file.
macro_rules! joined {
    ($([$($first:literal),+],)? $($own:literal $(/ $stem:literal)?),+) => {
        crate::wgsl!($($($first,)+)? "lib/grid", "lib/lanes", "lib/operand", "lib/conv2d_grad_weight", $($own $(/ $stem)?),+)
    };
}

/// The text of a variant of cooperative matrices.
macro_rules! cooperative {
    ($matrices:literal, $own:literal) => {
        joined!(
            ["lib/cooperative", "lib/cooperative_tile"],
            "lib/conv2d_grad_weight_spots",
            "lib/conv2d_grad_weight_coop",
            $matrices,
            $own
        )
    };
}

/// A variant whose lanes own 8 x 8 results, of `$workgroup` lanes and with the tile `$tile`.
macro_rules! tile8 {
    ($name:literal, $stem:literal, $workgroup:literal, $tile:expr) => {
        Variant {
            name: $name,
            stem: $stem,
            wgsl: joined!(
                "lib/tile8",
                "lib/conv2d_grad_weight_spots",
                "lib/conv2d_grad_weight_tile8",
                "conv" / $stem
            ),
            workgroups: &[$workgroup],
            tile: |_| $tile,
            requires: Requires::Nothing,
            suits: Suits::Hardware,
            only: Some(("GENERAL", 0)),
            trusted: true,
        }
    };
}

pub(super) static ALL: [Variant; 12] = [
    Variant {
        name: "coop16_wide",
        stem: "conv2d_grad_weight_coop16_wide",
        wgsl: cooperative!("lib/cooperative_16_wide", "conv/conv2d_grad_weight_coop16_wide"),
        workgroups: &[256],
        tile: |_| [16, 32, 1],
        requires: Requires::WideCooperativeMatrix(16),
        suits: Suits::Hardware,
        only: Some(("DTYPE", 1)),
        trusted: true,
    },
    Variant {
        name: "coop16",
        stem: "conv2d_grad_weight_coop16",
        wgsl: cooperative!("lib/cooperative_16", "conv/conv2d_grad_weight_coop16"),
        workgroups: &[256],
        tile: |_| [16, 32, 1],
        requires: Requires::CooperativeMatrix(16),
        suits: Suits::Hardware,
        only: Some(("DTYPE", 1)),
        trusted: true,
    },
    Variant {
        name: "coop8",
        stem: "conv2d_grad_weight_coop8",
        wgsl: cooperative!("lib/cooperative_8", "conv/conv2d_grad_weight_coop8"),
        workgroups: &[128],
        tile: |_| [16, 16, 1],
        requires: Requires::CooperativeMatrix(8),
        suits: Suits::Hardware,
        only: Some(("DTYPE", 1)),
        trusted: true,
    },
    tile8!("tile64", "conv2d_grad_weight_tile64", 128, [16, 32, 1]),
    tile8!("tile128", "conv2d_grad_weight_tile128", 256, [32, 32, 1]),
    tile8!("tile32", "conv2d_grad_weight_tile32", 128, [8, 64, 1]),
    tile8!("tile16", "conv2d_grad_weight_tile16", 64, [4, 64, 1]),
    Variant {
        name: "tile",
        stem: "conv2d_grad_weight_tile",
        wgsl: joined!("lib/conv2d_grad_weight_tile", "conv/conv2d_grad_weight_tile"),
        workgroups: &[256, 128],
        tile: |workgroup| [16, workgroup / 8, 1],
        requires: Requires::Nothing,
        suits: Suits::Hardware,
        only: Some(("GENERAL", 0)),
        trusted: true,
    },
    Variant {
        name: "subgroup8",
        stem: "conv2d_grad_weight_subgroup8",
        wgsl: joined!("conv/conv2d_grad_weight_subgroup8"),
        workgroups: &[8],
        tile: |_| [8, 4, 1],
        requires: Requires::Subgroup(8),
        suits: Suits::Software,
        only: Some(("GENERAL", 0)),
        trusted: true,
    },
    Variant {
        name: "subgroup8_wide",
        stem: "conv2d_grad_weight_subgroup8_wide",
        wgsl: joined!("conv/conv2d_grad_weight_subgroup8_wide"),
        workgroups: &[8],
        tile: |_| [8, 8, 1],
        requires: Requires::Subgroup(8),
        suits: Suits::Software,
        only: Some(("GENERAL", 0)),
        trusted: true,
    },
    Variant {
        name: "narrow8",
        stem: "conv2d_grad_weight_narrow8",
        wgsl: joined!("conv/conv2d_grad_weight_narrow8"),
        workgroups: &[8],
        tile: |_| [2, 24, 1],
        requires: Requires::Subgroup(8),
        suits: Suits::Software,
        only: Some(("NARROW", 1)),
        trusted: true,
    },
    Variant {
        name: "plain",
        stem: "conv2d_grad_weight",
        wgsl: joined!("conv/conv2d_grad_weight"),
        workgroups: WORKGROUPS,
        tile: |workgroup| [1, workgroup, 1],
        requires: Requires::Nothing,
        suits: Suits::Any,
        only: None,
        trusted: true,
    },
];

/// The tiles of 8 x 8 results a lane, with the variants to try first where one of them suits the shape.
pub(super) const TILES: [(Tile, Preferred); 4] = [
    (Tile { width: 64, height: 32, share: 92 }, &["coop16_wide", "coop16", "coop8", "tile64"]),
    (Tile { width: 128, height: 32, share: 92 }, &["coop16_wide", "coop16", "coop8", "tile128"]),
    (Tile { width: 32, height: 64, share: 86 }, &["coop16_wide", "coop16", "coop8", "tile32"]),
    (Tile { width: 16, height: 64, share: 80 }, &["coop16_wide", "coop16", "coop8", "tile16"]),
];
