//! The base network's part of an EOPM step: copies that answer to fused images, and what goes into them and comes out.

use super::loss_head::LossHead;
use crate::{
    error::{Error, Result},
    nn::{Convolution, FrozenNet, Mode, NodeValue},
    run::{BufferId, Gpu, Program, Tape},
    shape::{pad_channels, unpad_channels},
};

/// Appends the copies of a base network to a tape.
pub(super) struct Group<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) base: &'a FrozenNet,
    pub(super) head: LossHead,
    /// Receives the convolutions.
    pub(super) convolutions: &'a mut Vec<Convolution>,
    /// Images of the parts that have been appended.
    pub(super) images: u32,
}

impl Group<'_> {
    /// Appends forward pass, losses and backward pass for a part of the batch: the gradient with respect to the fused
    /// images, summed over the copies; `None` if the base has none.
    pub(super) fn append(
        &mut self,
        tape: &mut Tape,
        fused: NodeValue,
        wanted: BufferId,
    ) -> Result<Option<BufferId>> {
        let frozen = self.base.compiler(self.gpu, tape, Mode::Frozen);
        let mut frozen = frozen.from_image(self.images);
        self.images += fused.shape.n;
        let y = frozen.forward(tape, fused)?;
        tape.mark("the losses");
        let dlogits = self.head.append(tape, y, wanted)?;
        let d = frozen.backward(tape, dlogits, None, true)?;
        self.convolutions.extend_from_slice(frozen.convolutions());
        Ok(d)
    }
}

/// The buffers through which a part of the batch goes into a group of copies and comes out of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port {
    fused: NodeValue,
    wanted: BufferId,
    /// Bytes of what is wanted.
    pub(super) wanted_bytes: u64,
    gradient: BufferId,
}

impl Port {
    pub(super) fn new(tape: &Tape, fused: NodeValue, wanted: BufferId, gradient: BufferId) -> Self {
        Self { fused, wanted, wanted_bytes: tape.bytes(wanted), gradient }
    }

    /// The fused images `[n, H, W, C]`, without padding channels. Waits for the device.
    pub(super) fn read_fused(&self, gpu: &Gpu, program: &Program) -> Result<Vec<f32>> {
        self.read(gpu, program, self.fused.id)
    }

    /// The gradient with respect to the fused images, in the same layout. Waits for the device.
    pub(super) fn read_gradient(&self, gpu: &Gpu, program: &Program) -> Result<Vec<f32>> {
        self.read(gpu, program, self.gradient)
    }

    fn read(&self, gpu: &Gpu, program: &Program, id: BufferId) -> Result<Vec<f32>> {
        let shape = self.fused.shape;
        let padded = program.buffer(id).map(|buffer| buffer.read_part(gpu, 0, shape.bytes()));
        Ok(unpad_channels(&padded.transpose()?.unwrap_or_default(), shape.c))
    }

    /// Labels or answers, as they lie on the device. Waits for the device.
    pub(super) fn read_wanted(&self, gpu: &Gpu, program: &Program) -> Result<Vec<u8>> {
        let buffer = program.buffer(self.wanted);
        let bytes = buffer.map(|buffer| buffer.read_part(gpu, 0, self.wanted_bytes));
        Ok(bytes.transpose()?.unwrap_or_default())
    }

    /// Writes the first fused images of `values` and returns those of the parts behind.
    pub(super) fn write_fused<'v>(
        &self,
        gpu: &Gpu,
        program: &Program,
        values: &'v [f32],
    ) -> Result<&'v [f32]> {
        self.write(gpu, program, self.fused.id, values)
    }

    /// Writes the first gradient of `values` and returns those of the parts behind.
    pub(super) fn write_gradient<'v>(
        &self,
        gpu: &Gpu,
        program: &Program,
        values: &'v [f32],
    ) -> Result<&'v [f32]> {
        self.write(gpu, program, self.gradient, values)
    }

    fn write<'v>(
        &self,
        gpu: &Gpu,
        program: &Program,
        id: BufferId,
        values: &'v [f32],
    ) -> Result<&'v [f32]> {
        let shape = self.fused.shape;
        let len = shape.pixels() as usize * shape.c as usize;
        let (own, rest) = values.split_at_checked(len).ok_or_else(too_few)?;
        program.write(gpu, id, 0, &pad_channels(own, shape.c, 0.0));
        Ok(rest)
    }

    /// Writes the first labels or answers of `bytes` and returns those of the parts behind.
    pub(super) fn write_wanted<'v>(
        &self,
        gpu: &Gpu,
        program: &Program,
        bytes: &'v [u8],
    ) -> Result<&'v [u8]> {
        let (own, rest) = bytes.split_at_checked(self.wanted_bytes as usize).ok_or_else(too_few)?;
        program.write(gpu, self.wanted, 0, own);
        Ok(rest)
    }
}

/// The error for a message that is shorter than its part of the batch.
fn too_few() -> Error {
    Error::Shape("fewer values than the part of a batch has".into())
}
