//! Weight gradient of a convolution, `shaders/conv/conv2d_grad_weight*.wgsl`.

use crate::{
    error::Result,
    kernels::{
        conv::conv2d::{Conv2d, class_name},
        desc::{Access, KernelDesc, Params, Requires, Suits, Variant, WORKGROUPS},
        plan::{Class, Grid, Less, Plan},
    },
    shape::Rsck,
};
use std::sync::Arc;

crate::params! {
    /// Uniform block of `shaders/conv/conv2d_grad_weight*.wgsl`.
    pub struct Conv2dGradWeightParams {
        /// Images.
        images: u32,
        /// Rows of x.
        x_h: u32,
        /// Columns of x.
        x_w: u32,
        /// Channels of x.
        c: u32,
        /// Rows of dy.
        y_h: u32,
        /// Columns of dy.
        y_w: u32,
        /// Channels of dy.
        k: u32,
        /// Kernel rows.
        r: u32,
        /// Kernel columns.
        s: u32,
        /// Stride.
        stride: u32,
        /// Zero padding.
        padding: u32,
        /// Partial results.
        chunks: u32,
        /// Image rows of dy per partial result.
        chunk_rows: u32,
    }
}

/// The kernel's interface and its variants.
pub static KERNEL: KernelDesc = KernelDesc {
    name: "conv2d_grad_weight",
    params_name: Conv2dGradWeightParams::NAME,
    params: Conv2dGradWeightParams::FIELDS,
    bindings: &[
        ("params", Access::Uniform),
        ("x", Access::Read),
        ("dy", Access::Read),
        ("partial", Access::ReadWrite),
    ],
    variants: &[
        Variant {
            name: "coop16",
            stem: "conv2d_grad_weight_coop16",
            wgsl: crate::wgsl!(
                "lib/cooperative",
                "lib/grid",
                "lib/lanes",
                "lib/operand",
                "lib/cooperative_tile",
                "lib/conv2d_grad_weight",
                "lib/conv2d_grad_weight_tile",
                "lib/conv2d_grad_weight_coop",
                "conv/conv2d_grad_weight_coop16"
            ),
            workgroups: &[256],
            tile: |_| [16, 32, 1],
            requires: Requires::CooperativeMatrix(16),
            suits: Suits::Hardware,
            only: Some(("HALF", 1)),
            trusted: true,
        },
        Variant {
            name: "coop8",
            stem: "conv2d_grad_weight_coop8",
            wgsl: crate::wgsl!(
                "lib/cooperative",
                "lib/grid",
                "lib/lanes",
                "lib/operand",
                "lib/cooperative_tile",
                "lib/conv2d_grad_weight",
                "lib/conv2d_grad_weight_tile",
                "lib/conv2d_grad_weight_coop",
                "conv/conv2d_grad_weight_coop8"
            ),
            workgroups: &[128],
            tile: |_| [16, 16, 1],
            requires: Requires::CooperativeMatrix(8),
            suits: Suits::Hardware,
            only: Some(("HALF", 1)),
            trusted: true,
        },
        Variant {
            name: "tile",
            stem: "conv2d_grad_weight_tile",
            wgsl: crate::wgsl!(
                "lib/grid",
                "lib/lanes",
                "lib/operand",
                "lib/conv2d_grad_weight",
                "lib/conv2d_grad_weight_tile",
                "conv/conv2d_grad_weight_tile"
            ),
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
            wgsl: crate::wgsl!(
                "lib/grid",
                "lib/lanes",
                "lib/operand",
                "lib/conv2d_grad_weight",
                "conv/conv2d_grad_weight_subgroup8"
            ),
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
            wgsl: crate::wgsl!(
                "lib/grid",
                "lib/lanes",
                "lib/operand",
                "lib/conv2d_grad_weight",
                "conv/conv2d_grad_weight_subgroup8_wide"
            ),
            workgroups: &[8],
            tile: |_| [8, 8, 1],
            requires: Requires::Subgroup(8),
            suits: Suits::Software,
            only: Some(("GENERAL", 0)),
            trusted: true,
        },
        Variant {
            name: "plain",
            stem: "conv2d_grad_weight",
            wgsl: crate::wgsl!(
                "lib/grid",
                "lib/lanes",
                "lib/operand",
                "lib/conv2d_grad_weight",
                "conv/conv2d_grad_weight"
            ),
            workgroups: WORKGROUPS,
            tile: |workgroup| [1, workgroup, 1],
            requires: Requires::Nothing,
            suits: Suits::Any,
            only: None,
            trusted: true,
        },
    ],
};

/// Pixels that one partial result sums at most, about: long enough to pay for storing it, short
/// enough for parallelism and for llvmpipe's limit of 65,535 loop turns.
const CHUNK_PIXELS: u32 = 2048;
/// Bytes of all partial results, at most, where that still leaves one: half of the smallest binding that
/// WebGPU guarantees.
const PARTIAL_BYTES: u64 = 64 << 20;

/// Image rows of dy per partial result, and the number of partial results. Depends on the shape
/// alone, so that sums have the same order on every adapter.
fn chunking(conv: Conv2d) -> (u32, u32) {
    let small = if conv.transposed { conv.x } else { conv.y };
    let lines = small.n * small.h;
    let most =
        (PARTIAL_BYTES / partial_shape(conv).bytes().max(1)).clamp(1, u64::from(lines)) as u32;
    let rows = (CHUNK_PIXELS / small.w).max(lines.div_ceil(most)).clamp(1, lines);
    (rows, lines.div_ceil(rows))
}

/// Partial results that [`plan`] writes.
#[must_use]
pub fn chunks(conv: Conv2d) -> u32 {
    chunking(conv).1
}

/// Shape of one partial result: rows are the channels of the image that the taps slide over (the
/// input of a convolution, the output of a transposed one) in one group.
#[must_use]
pub fn partial_shape(conv: Conv2d) -> Rsck {
    let (large, small) = if conv.transposed { (conv.y, conv.x) } else { (conv.x, conv.y) };
    let [r, s] = conv.window.kernel;
    Rsck::new(r, s, large.c / conv.groups, small.c)
}

/// The gather that is differentiated, to be planned smaller.
#[derive(Debug)]
struct Forward(Conv2d);

impl Less for Forward {
    fn half(&self) -> Option<Result<Plan>> {
        self.0.half().map(plan)
    }
}

/// Plans the partial sums for the forward gather `conv`. Bindings x and dy are, for a transposed
/// convolution, its output's gradient and its input.
///
/// # Errors
/// Shapes that do not fit, or past 32-bit indices.
pub fn plan(conv: Conv2d) -> Result<Plan> {
    let (x, dy) = if conv.transposed { (conv.y, conv.x) } else { (conv.x, conv.y) };
    conv.checked()?;
    let (chunk_rows, chunks) = chunking(conv);
    let [r, s] = conv.window.kernel;
    let params = Conv2dGradWeightParams {
        images: x.n,
        x_h: x.h,
        x_w: x.w,
        c: x.c,
        y_h: dy.h,
        y_w: dy.w,
        k: dy.c,
        r,
        s,
        stride: conv.window.stride,
        padding: conv.window.padding,
        chunks,
        chunk_rows,
    };
    let partial = partial_shape(conv);
    let bytes = vec![x.bytes(), dy.bytes(), partial.bytes() * u64::from(chunks)];
    let grid = Grid::Tiles([dy.c4(), r * s * partial.c.div_ceil(4), chunks]);
    let class = Class {
        name: class_name(conv),
        words: &[],
        eps: conv.operands.eps(),
        less: Arc::new(Forward(conv)),
    };
    let mut plan = Plan::new(&KERNEL, &params, grid, bytes)
        .with("HALF", conv.operands.code())
        .with("GENERAL", u32::from(conv.is_general()))
        .costing(conv.flops())
        .classed(class);
    if conv.is_general() {
        plan = plan.with("GROUPS", conv.groups).with("DILATION", conv.dilation);
    }
    Ok(if dy.c4() <= 2 { plan.preferring("plain") } else { plan })
}
