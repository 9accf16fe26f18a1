//! Memory on the device that several programs can use, written and read by the host.

use super::{device::Gpu, sabotage};
use crate::error::{Error, Result};

/// A buffer on the device. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Buffer {
    pub(super) raw: wgpu::Buffer,
    bytes: u64,
}

impl Buffer {
    /// Makes a buffer of zeros that several programs can import.
    ///
    /// # Errors
    /// The buffer is too large for the adapter, or no memory is left.
    pub fn new(gpu: &Gpu, label: &str, bytes: u64) -> Result<Self> {
        let bytes = bytes.next_multiple_of(4).max(16);
        Ok(Self { raw: gpu.create_buffer(label, bytes, USAGE)?, bytes })
    }

    /// Makes a buffer with contents.
    pub fn with<T: bytemuck::NoUninit>(gpu: &Gpu, label: &str, contents: &[T]) -> Result<Self> {
        let contents: &[u8] = bytemuck::cast_slice(contents);
        let buffer = Self::new(gpu, label, contents.len() as u64)?;
        buffer.write(gpu, 0, contents);
        Ok(buffer)
    }

    /// Size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes at a byte offset (a multiple of 4), before the next submitted work.
    pub fn write<T: bytemuck::NoUninit>(&self, gpu: &Gpu, offset: u64, contents: &[T]) {
        let contents: &[u8] = bytemuck::cast_slice(contents);
        if contents.len().is_multiple_of(4) {
            gpu.queue.write_buffer(&self.raw, offset, contents);
        } else {
            let mut padded = contents.to_vec();
            padded.resize(contents.len().next_multiple_of(4), 0);
            gpu.queue.write_buffer(&self.raw, offset, &padded);
        }
    }

    /// Reads the whole buffer; waits for everything submitted before.
    pub fn read<T: bytemuck::AnyBitPattern>(&self, gpu: &Gpu) -> Result<Vec<T>> {
        self.read_part(gpu, 0, self.bytes)
    }

    /// Reads `bytes` bytes from an offset on (both multiples of 4).
    ///
    /// # Errors
    /// The range ends past the buffer, or the device failed.
    pub fn read_part<T: bytemuck::AnyBitPattern>(
        &self,
        gpu: &Gpu,
        offset: u64,
        bytes: u64,
    ) -> Result<Vec<T>> {
        if offset.checked_add(bytes).is_none_or(|end| end > self.bytes) {
            let what = format!("{bytes} bytes at {offset} of a buffer of {}", self.bytes);
            return Err(Error::Shape(what));
        }
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let back = gpu.create_buffer("readback", bytes, usage)?;
        let mut encoder =
            gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&self.raw, offset, &back, 0, bytes);
        gpu.submit(encoder);
        let damaged = gpu.before_map();
        let (sender, receiver) = std::sync::mpsc::channel();
        back.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            // The receiver is read below; it is gone only if waiting failed.
            let _ = sender.send(result);
        });
        gpu.wait("read a buffer back")?;
        let refused = |message: String| gpu.refused("read a buffer back", message);
        match receiver.try_recv() {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(refused(e.to_string())),
            Err(e) => return Err(refused(e.to_string())),
        }
        let view = back.slice(..).get_mapped_range().map_err(|e| refused(e.to_string()))?;
        if damaged {
            let mut bytes = view.to_vec();
            sabotage::flip(&mut bytes);
            return Ok(elements(&bytes));
        }
        Ok(elements(&view))
    }
}

/// The mapping need not be aligned for T: copy element by element.
fn elements<T: bytemuck::AnyBitPattern>(bytes: &[u8]) -> Vec<T> {
    bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
}

const USAGE: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::COPY_SRC)
    .union(wgpu::BufferUsages::COPY_DST);
