//! `--verify-every`: computes a convolution of a step again on the CPU, from the data that the GPU
//! read, and compares it with what the GPU wrote. The step itself is unchanged: its tape only pauses.

use crate::{
    error::{Error, Result},
    fault::step_seed,
    kernels::conv::conv2d::{
        Conv2d, mask_bytes,
        twin::{Expected, TwinOperands, expected},
    },
    nn::{Algorithm, Convolution},
    run::{BufferId, Gpu, Program},
    shape::{Nhwc, unpad_channels},
};
use std::ops::Range;

/// One image of one copy of one convolution in a step.
pub(super) struct Check<'a> {
    convolution: &'a Convolution,
    copy: u32,
    image: u32,
    step: u64,
    done: bool,
}

impl<'a> Check<'a> {
    /// Draws a convolution, copy and image for a step of a run; `None` if there are no convolutions.
    pub(super) fn draw(all: &'a [Convolution], seed: u64, step: u64) -> Option<Self> {
        let draw = |of: u32, n: u64| step_seed(seed, step, u32::MAX - 1 - of) % n.max(1);
        let convolution = all.get(draw(0, all.len() as u64) as usize)?;
        let Conv2d { copies, x, sum_copies, .. } = convolution.conv;
        let copy = if sum_copies { 0 } else { draw(1, copies.into()) as u32 };
        let image = draw(2, x.n.into()) as u32;
        Some(Self { convolution, copy, image, step: step + 1, done: false })
    }

    /// Runs entries of a tape, and checks the convolution if it is among them.
    pub(super) fn run(
        &mut self,
        gpu: &Gpu,
        program: &Program,
        entries: Range<usize>,
    ) -> Result<()> {
        let own = self.convolution.entries.clone();
        if self.done || own.start < entries.start || own.end > entries.end {
            return program.run_range(gpu, entries);
        }
        self.done = true;
        program.run_range(gpu, entries.start..own.start)?;
        let wanted = self.expected(gpu, program)?;
        program.run_range(gpu, own.clone())?;
        self.compare(gpu, program, &wanted)?;
        program.run_range(gpu, own.end..entries.end)
    }

    /// The convolution, reduced to the one image.
    fn conv(&self) -> Conv2d {
        let conv = self.convolution.conv;
        let one = |shape: Nhwc| Nhwc { n: 1, ..shape };
        let copies = if conv.sum_copies { conv.copies } else { 1 };
        Conv2d { x: one(conv.x), y: one(conv.y), copies, ..conv }
    }

    /// What the GPU must compute from the data that it is about to read.
    fn expected(&self, gpu: &Gpu, program: &Program) -> Result<Vec<Expected>> {
        let Convolution { conv: whole, epilogue, operands, .. } = &self.convolution;
        let one = self.conv();
        let read = |id: BufferId, offset: u64, bytes: u64| -> Result<Vec<f32>> {
            program.buffer(id).map_or_else(|| Ok(Vec::new()), |b| b.read_part(gpu, offset, bytes))
        };
        let weights = one.weights();
        let (mut xs, mut ws, mut gates) = (Vec::new(), Vec::new(), Vec::new());
        for copy in self.copy..self.copy + one.copies {
            let w = read(operands.w, u64::from(copy) * weights.bytes(), weights.bytes())?;
            let (rows, columns) = (weights.c as usize, weights.k.next_multiple_of(4) as usize);
            let tap = rows.next_multiple_of(4) * columns;
            let taps = w.chunks(tap).map(|tap| unpad_channels(&tap[..rows * columns], weights.k));
            ws.push(taps.flatten().collect());
            let of_x = if whole.shared_input { 0 } else { copy };
            xs.push(self.image(gpu, program, (operands.x, whole.x), of_x)?);
            if epilogue.mask_in {
                let bytes = mask_bytes(whole.x, 1);
                let mask = read(operands.mask_in, u64::from(of_x) * bytes, bytes)?;
                gates.push(gates_of(&mask, whole.x, self.image));
            }
        }
        let residual = match epilogue.residual {
            true => self.image(gpu, program, (operands.residual, whole.y), self.copy)?,
            false => Vec::new(),
        };
        let affine = read(operands.affine, 0, u64::from(epilogue.affine_len) * 4)?;
        let read =
            TwinOperands { xs: &xs, ws: &ws, affine: &affine, residual: &residual, gates: &gates };
        let wanted = expected(one, *epilogue, &read);
        Ok(match self.convolution.algorithm {
            Algorithm::Direct => wanted,
            Algorithm::Winograd(form) => widened(&wanted, one.y, form.growth()),
        })
    }

    /// The checked image in a copy of a tensor, without padding.
    fn image(
        &self,
        gpu: &Gpu,
        program: &Program,
        (id, shape): (BufferId, Nhwc),
        copy: u32,
    ) -> Result<Vec<f32>> {
        let bytes = Nhwc { n: 1, ..shape }.bytes();
        let offset = u64::from(copy * shape.n + self.image) * bytes;
        let Some(buffer) = program.buffer(id) else { return Ok(Vec::new()) };
        Ok(unpad_channels(&buffer.read_part::<f32>(gpu, offset, bytes)?, shape.c))
    }

    fn compare(&self, gpu: &Gpu, program: &Program, wanted: &[Expected]) -> Result<()> {
        let Convolution { name, conv, operands, .. } = self.convolution;
        let got = self.image(gpu, program, (operands.y, conv.y), self.copy)?;
        for (i, (&got, want)) in got.iter().zip(wanted).enumerate() {
            // Numbers that are not finite are left to the sentinel.
            let admitted = (f64::from(got) - want.value).abs() <= want.bound;
            if admitted || !want.value.is_finite() || !want.bound.is_finite() {
                continue;
            }
            let (i, y) = (i as u32, conv.y);
            let of_copy = match conv.copies {
                1 => String::new(),
                copies => format!(", copy {} of {copies}", self.copy),
            };
            return Err(Error::WrongResult {
                layer: format!("{name}{of_copy}"),
                step: self.step,
                at: [self.image, i / (y.c * y.w), i / y.c % y.w, i % y.c],
                got: format!("{got:e}"),
                want: format!("{:e} +- {:.1e}", want.value, want.bound),
            });
        }
        Ok(())
    }
}

/// Which values of an image a ReLU mask lets through, as 0 or 1.
fn gates_of(mask: &[f32], x: Nhwc, image: u32) -> Vec<f64> {
    let (c, c4) = (x.c as usize, x.c.div_ceil(4) as usize);
    let pixels = (x.h * x.w) as usize;
    let bit = |i: usize| {
        let (pixel, channel) = (image as usize * pixels + i / c, i % c);
        let word = mask[pixel / 8 * c4 + channel / 4].to_bits();
        f64::from(word >> (4 * (pixel % 8) + channel % 4) & 1)
    };
    (0..pixels * c).map(bit).collect()
}

/// Wider bounds for Winograd's forms, in which each output also contains rounding errors of its whole
/// tile.
fn widened(wanted: &[Expected], y: Nhwc, growth: f64) -> Vec<Expected> {
    let (h, w, c) = (y.h as usize, y.w as usize, y.c as usize);
    let near = |at: usize, end: usize| at.saturating_sub(3)..(at + 4).min(end);
    let each = |i: usize| {
        let (row, column, channel) = (i / (c * w), i / c % w, i % c);
        let around =
            near(row, h).flat_map(|r| near(column, w).map(move |s| (r * w + s) * c + channel));
        let most = around.map(|j| wanted[j].bound).fold(0.0, f64::max);
        Expected { bound: growth * most, ..wanted[i] }
    };
    (0..wanted.len()).map(each).collect()
}
