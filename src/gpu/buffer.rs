//! Memory on the device that several programs can use, written and read by the host.

use super::{
    device::Device,
    hook::{Effect, Point},
};
use crate::error::{Error, Result};

/// A buffer on the device. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Buffer {
    pub(crate) raw: wgpu::Buffer,
    bytes: u64,
}

impl Buffer {
    /// Makes a buffer of zeros that several programs can import.
    pub fn new(device: &Device, label: &str, bytes: u64) -> Result<Self> {
        let bytes = bytes.next_multiple_of(4).max(16);
        Ok(Self { raw: device.create_buffer(label, bytes, USAGE)?, bytes })
    }

    /// Makes a buffer with contents.
    pub fn with<T: bytemuck::NoUninit>(
        device: &Device,
        label: &str,
        contents: &[T],
    ) -> Result<Self> {
        let contents: &[u8] = bytemuck::cast_slice(contents);
        let buffer = Self::new(device, label, contents.len() as u64)?;
        buffer.write(device, 0, contents);
        Ok(buffer)
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes at a byte offset (a multiple of 4), before the next submitted work.
    pub fn write<T: bytemuck::NoUninit>(&self, device: &Device, offset: u64, contents: &[T]) {
        let contents: &[u8] = bytemuck::cast_slice(contents);
        if contents.len().is_multiple_of(4) {
            device.queue.write_buffer(&self.raw, offset, contents);
        } else {
            let mut padded = contents.to_vec();
            padded.resize(contents.len().next_multiple_of(4), 0);
            device.queue.write_buffer(&self.raw, offset, &padded);
        }
    }

    /// Reads the whole buffer; waits for everything submitted before.
    pub fn read<T: bytemuck::AnyBitPattern>(&self, device: &Device) -> Result<Vec<T>> {
        self.read_part(device, 0, self.bytes)
    }

    /// Reads `bytes` bytes from an offset on (both multiples of 4).
    pub fn read_part<T: bytemuck::AnyBitPattern>(
        &self,
        device: &Device,
        offset: u64,
        bytes: u64,
    ) -> Result<Vec<T>> {
        if offset.checked_add(bytes).is_none_or(|end| end > self.bytes) {
            let what = format!("{bytes} bytes at {offset} of a buffer of {}", self.bytes);
            return Err(Error::Shape(what));
        }
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let back = device.create_buffer("readback", bytes, usage)?;
        let mut encoder = device.encoder();
        encoder.copy_buffer_to_buffer(&self.raw, offset, &back, 0, bytes);
        device.submit(encoder);
        let damaged = device.before(Point::Map) == Effect::Damage;
        let (sender, receiver) = std::sync::mpsc::channel();
        back.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            // The receiver is read below; it is gone only if waiting failed.
            let _ = sender.send(result);
        });
        device.wait("read a buffer back")?;
        let refused = |message: String| device.refused("read a buffer back", message);
        match receiver.try_recv() {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(refused(e.to_string())),
            Err(e) => return Err(refused(e.to_string())),
        }
        let view = back.slice(..).get_mapped_range().map_err(|e| refused(e.to_string()))?;
        if damaged {
            let mut bytes = view.to_vec();
            flip(&mut bytes);
            return Ok(elements(&bytes));
        }
        Ok(elements(&view))
    }
}

/// Damages bytes that were read, for tests: a bit of the exponent flips in the middle word.
fn flip(bytes: &mut [u8]) {
    let middle = bytes.len() / 8 * 4;
    if let Some(byte) = bytes.get_mut(middle + 3) {
        *byte ^= 0x10;
    }
}

/// The mapping need not be aligned for T: copy element by element.
fn elements<T: bytemuck::AnyBitPattern>(bytes: &[u8]) -> Vec<T> {
    bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
}

const USAGE: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::COPY_SRC)
    .union(wgpu::BufferUsages::COPY_DST);

impl Device {
    /// The timestamps in a buffer that the host can map.
    pub(crate) fn ticks(&self, buffer: &wgpu::Buffer) -> Result<Vec<u64>> {
        self.before(Point::Map);
        buffer.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        self.wait("read timestamps")?;
        let view = buffer
            .slice(..)
            .get_mapped_range()
            .map_err(|e| Error::Gpu { doing: "read timestamps".into(), message: e.to_string() })?;
        Ok(elements(&view))
    }
}
