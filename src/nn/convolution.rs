//! A convolution on a tape, by one of the algorithms that compute it.

use crate::{
    error::Result,
    gpu::{BufferId, Tape},
    ops::{
        self,
        conv2d::{Conv2d, Fusion},
        winograd::{self, Tiles},
    },
};

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Every tap of every pixel: one dispatch of `conv2d`.
    Direct,
    /// Winograd's F(2x2, 3x3): 16 multiplications where the taps have 36. Transforms of input and
    /// weights, 16 products of matrices, a transform back.
    Winograd,
}

/// Transformed values of one dispatch, at most: they pass through the caches, not through memory.
const WINOGRAD_BYTES: u64 = 16 << 20;
/// Channels below which the transforms cost more than they save.
const WINOGRAD_CHANNELS: u32 = 16;

/// The buffers of a convolution, in the order of `conv2d`'s bindings; stand-ins for what a fusion
/// leaves out.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// `[x_copies, N, H, W, C]`
    pub x: BufferId,
    /// `[copies, R, S, C, K]`
    pub w: BufferId,
    /// Scales and shifts by offset.
    pub affine: BufferId,
    /// Like y.
    pub residual: BufferId,
    /// Signs of a ReLU, like x.
    pub mask_in: BufferId,
    /// `[copies, N, H, W, K]`
    pub y: BufferId,
    /// Signs of the ReLU, like y.
    pub mask_out: BufferId,
}

impl Algorithm {
    /// What is fast on most adapters.
    #[must_use]
    pub fn usual(conv: Conv2d) -> Self {
        let wide = conv.x.c.min(conv.y.c) >= WINOGRAD_CHANNELS;
        if wide && winograd::possible(conv) { Self::Winograd } else { Self::Direct }
    }

    /// Appends the convolution to a tape.
    ///
    /// # Errors
    /// Shapes or buffers that do not fit, or a convolution that has no Winograd form.
    pub fn append(
        self,
        tape: &mut Tape,
        conv: Conv2d,
        fusion: Fusion,
        operands: &Operands,
    ) -> Result<()> {
        match self {
            Self::Direct => {
                let Operands { x, w, affine, residual, mask_in, y, mask_out } = *operands;
                let bound = [x, w, affine, residual, mask_in, y, mask_out];
                tape.push(ops::conv2d::plan(conv, fusion)?, &bound)
            }
            Self::Winograd => append_winograd(tape, conv, fusion, operands),
        }
    }
}

fn append_winograd(
    tape: &mut Tape,
    conv: Conv2d,
    fusion: Fusion,
    operands: &Operands,
) -> Result<()> {
    let Operands { x, w, affine, residual, mask_in, y, mask_out } = *operands;
    let (shape, copies) = (conv.weights(), conv.copies);
    let u = tape.transient("transformed weights", ops::winograd_weights::bytes(shape, copies));
    tape.push(ops::winograd_weights::plan(shape, copies, conv.transposed)?, &[w, u])?;
    for tiles in Tiles::cover(conv, WINOGRAD_BYTES)? {
        let v = tape.transient("transformed input", tiles.values(conv.x.c).bytes());
        let m = tape.transient("transformed sums", tiles.values(conv.y.c).bytes());
        let plan = ops::winograd_input::plan(tiles, fusion.mask_in)?;
        tape.push(plan, &[x, mask_in, v])?;
        tape.push(ops::matmul::plan(tiles.product())?, &[v, u, m])?;
        let plan = ops::winograd_output::plan(tiles, fusion)?;
        tape.push(plan, &[m, affine, residual, y, mask_out])?;
    }
    Ok(())
}
