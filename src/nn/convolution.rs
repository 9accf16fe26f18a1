//! A convolution on a tape, by one of the algorithms that compute it.

use crate::{
    error::{Error, Result},
    gpu::{Agreement, BufferId, Gpu, Job, Question, Tape, Words},
    ops::{
        self,
        conv2d::{Conv2d, Fusion, class_name},
        winograd::{self, Tiles},
    },
};
use std::ops::Range;

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Every tap of every pixel: one dispatch of `conv2d`.
    Direct,
    /// Winograd's F(2x2, 3x3): 16 multiplications where the taps have 36. Transforms of input and
    /// weights, 16 products of matrices, a transform back.
    Winograd,
}

/// Transformed values of one dispatch, at most: they should pass through the caches, not through
/// memory.
const WINOGRAD_BYTES: u64 = 8 << 20;
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

/// A convolution on a tape, with what it takes to compute it again elsewhere.
#[derive(Clone, Debug)]
pub struct Convolution {
    /// Network, layer and pass, for people.
    pub name: String,
    /// Its entries of the tape.
    pub entries: Range<usize>,
    /// How they compute it.
    pub algorithm: Algorithm,
    /// Which pixels meet which.
    pub conv: Conv2d,
    /// What is fused with it.
    pub fusion: Fusion,
    /// Its buffers.
    pub operands: Operands,
}

impl Algorithm {
    /// What the choice is about, as `--kernel-variant` names it.
    pub const SUBJECT: &str = "convolution";

    /// What is fast on most adapters.
    #[must_use]
    pub fn usual(conv: Conv2d) -> Self {
        let wide = conv.x.c.min(conv.y.c) >= WINOGRAD_CHANNELS;
        if wide && winograd::possible(conv) { Self::Winograd } else { Self::Direct }
    }

    /// Its name in reports and in `--kernel-variant convolution=NAME`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Winograd => "winograd",
        }
    }

    /// What the user prefers, a run has recorded, or is measured to be fast on this device; without
    /// measurements the usual one.
    ///
    /// # Errors
    /// A recorded choice cannot be kept, or the device failed.
    pub fn choose(gpu: &Gpu, conv: Conv2d) -> Result<Self> {
        if Self::usual(conv) == Self::Direct {
            return Ok(Self::Direct);
        }
        let class = class_name(conv);
        let question = Question {
            subject: Self::SUBJECT,
            class: &class,
            candidates: &[Self::Winograd.name(), Self::Direct.name()],
            kernels: &[
                &ops::conv2d::KERNEL,
                &ops::matmul::KERNEL,
                &ops::winograd_input::KERNEL,
                &ops::winograd_output::KERNEL,
                &ops::winograd_weights::KERNEL,
            ],
            // Winograd's form has about seven times the terms of the plain sum.
            agreement: Agreement { exact: true, eps: f32::EPSILON.into(), growth: 8.0 },
            // What is usual was measured on software adapters, in whole steps; there a trial of a few
            // milliseconds says less.
            measured: !gpu.report().is_software(),
        };
        let chosen = gpu.decide(&question, |name, size| {
            let mut conv = conv;
            while conv.flops() > size.flops || conv.operand_bytes() > size.bytes {
                let Some(half) = conv.half() else { break };
                conv = half;
            }
            let direct = name == Self::Direct.name();
            if direct { Self::Direct } else { Self::Winograd }.job(conv)
        })?;
        Ok(if chosen == Self::Direct.name() { Self::Direct } else { Self::Winograd })
    }

    /// The convolution alone, to be measured.
    fn job(self, conv: Conv2d) -> Result<Job> {
        let mut tape = Tape::new();
        let plan = ops::conv2d::plan(conv, Fusion::default())?;
        let ids: Vec<_> = plan.bytes.iter().map(|&bytes| tape.kept("operand", bytes)).collect();
        let [x, w, affine, residual, mask_in, y, mask_out] = ids[..] else {
            return Err(Error::Shape("conv2d has seven operands".into()));
        };
        let operands = Operands { x, w, affine, residual, mask_in, y, mask_out };
        self.append(&mut tape, conv, Fusion::default(), &operands)?;
        let (inputs, outputs) =
            (vec![(x, Words::Floats), (w, Words::Floats)], vec![(y, Words::Floats)]);
        Ok(Job { tape, inputs, outputs })
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
