//! The variants of the convolution, `shaders/conv/conv2d*.wgsl`, the best first.

use crate::kernels::desc::{Requires, Suits, Variant, WORKGROUPS};

/// A variant's text: the lines that enable features, the pieces that all variants share, its further
/// pieces, and its own file.
macro_rules! joined {
    ($([$($first:literal),+],)? $($own:literal),+) => {
        crate::wgsl!(
            $($($first,)+)? "lib/grid", "lib/lanes", "lib/special", "lib/operand", "lib/conv2d", "lib/epilogue",
            $($own),+
        )
    };
}

/// The text of a variant of cooperative matrices.
macro_rules! cooperative {
    ($own:literal) => {
        joined!(
            ["lib/cooperative", "lib/cooperative_tile"],
            "lib/conv2d_tile",
            "lib/conv2d_coop",
            $own
        )
    };
}

pub(super) static ALL: [Variant; 7] = [
    Variant {
        name: "coop16",
        stem: "conv2d_coop16",
        wgsl: cooperative!("conv/conv2d_coop16"),
        workgroups: &[256],
        tile: |_| [16, 128, 1],
        requires: Requires::CooperativeMatrix(16),
        suits: Suits::Hardware,
        only: Some(("DTYPE", 1)),
        trusted: true,
    },
    Variant {
        name: "coop8",
        stem: "conv2d_coop8",
        wgsl: cooperative!("conv/conv2d_coop8"),
        workgroups: &[128],
        tile: |_| [16, 64, 1],
        requires: Requires::CooperativeMatrix(8),
        suits: Suits::Hardware,
        only: Some(("DTYPE", 1)),
        trusted: true,
    },
    Variant {
        name: "tile",
        stem: "conv2d_tile",
        wgsl: joined!("lib/conv2d_tile", "conv/conv2d_tile"),
        workgroups: &[256, 128],
        tile: |workgroup| [16, workgroup / 2, 1],
        requires: Requires::Nothing,
        suits: Suits::Hardware,
        only: Some(("GENERAL", 0)),
        trusted: true,
    },
    Variant {
        name: "subgroup8",
        stem: "conv2d_subgroup8",
        wgsl: joined!("conv/conv2d_subgroup8"),
        workgroups: &[8],
        tile: |_| [8, 32, 1],
        requires: Requires::Subgroup(8),
        suits: Suits::Software,
        only: Some(("GENERAL", 0)),
        trusted: true,
    },
    Variant {
        name: "narrow8",
        stem: "conv2d_narrow8",
        wgsl: joined!("lib/conv2d_row", "conv/conv2d_narrow8"),
        workgroups: &[8],
        tile: |_| [2, 64, 1],
        requires: Requires::Subgroup(8),
        suits: Suits::Software,
        only: Some(("NARROW", 1)),
        trusted: true,
    },
    Variant {
        name: "sliding",
        stem: "conv2d_sliding",
        wgsl: joined!("lib/conv2d_row", "conv/conv2d_sliding"),
        workgroups: WORKGROUPS,
        // It takes as many turns as it needs; a strip has 64 pixels of an image without a remainder.
        tile: |workgroup| [1, 64 * workgroup, 1],
        requires: Requires::Nothing,
        suits: Suits::Any,
        only: Some(("SLIDING", 1)),
        trusted: true,
    },
    Variant {
        name: "plain",
        stem: "conv2d",
        wgsl: joined!("conv/conv2d"),
        workgroups: WORKGROUPS,
        tile: |workgroup| [1, 8 * workgroup, 1],
        requires: Requires::Nothing,
        suits: Suits::Any,
        only: None,
        trusted: true,
    },
];
