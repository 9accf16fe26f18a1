//! How reductions over the pixels of a batch are cut into workgroups, `shaders/lib/chunks.wgsl`.

use crate::{error::Result, shape::Nhwc};

crate::params! {
    /// Uniform block of `shaders/lib/chunks.wgsl`.
    pub struct ChunkParams {
        /// Pixels of the whole batch.
        pixels: u32,
        /// Channels without padding.
        c: u32,
        /// Pixels per chunk.
        chunk: u32,
        /// Channel groups per workgroup.
        block: u32,
    }
}

/// Fewest pixels of a chunk: with fewer the overhead would dominate.
const MIN_PIXELS: u32 = 256;
/// Most pixels of a chunk: keeps every loop far below the 65,535 turns that llvmpipe allows.
const MAX_PIXELS: u32 = 16_384;
/// Number of workgroups aimed at within these limits: several for every core of a large GPU.
const WORKGROUPS: u32 = 2048;
/// Most channel groups per workgroup: 128 consecutive bytes, a cache line.
const MAX_BLOCK: u32 = 8;

/// How one shape is cut into chunks; the same for every workgroup size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunking {
    /// Pixels per chunk; the last chunk may have fewer, but at least one.
    pub chunk: u32,
    /// Number of chunks.
    pub chunks: u32,
    /// Channel groups per workgroup, a power of two.
    pub block: u32,
    /// Number of workgroups: chunks times blocks of channel groups.
    pub groups: u64,
}

impl Chunking {
    /// The cut for activations of a shape.
    pub fn of(x: Nhwc) -> Result<Self> {
        let x = x.checked()?;
        let block = x.c4().next_power_of_two().min(MAX_BLOCK);
        let blocks = x.c4().div_ceil(block);
        let even = x.pixels().div_ceil(WORKGROUPS.div_ceil(blocks));
        let chunk = even.clamp(MIN_PIXELS, MAX_PIXELS);
        let chunks = x.pixels().div_ceil(chunk);
        Ok(Self { chunk, chunks, block, groups: u64::from(chunks) * u64::from(blocks) })
    }

    /// The uniform block of a reduction of x with this cut.
    pub fn params(self, x: Nhwc) -> ChunkParams {
        ChunkParams { pixels: x.pixels(), c: x.c, chunk: self.chunk, block: self.block }
    }

    /// The cut of one part of a batch: chunks as large as those of a full part.
    pub fn like(x: Nhwc, part: Nhwc) -> Result<Self> {
        let (own, full) = (Self::of(x)?, Self::of(part)?);
        let chunks = x.pixels().div_ceil(full.chunk);
        let blocks = own.groups / u64::from(own.chunks);
        Ok(Self { chunk: full.chunk, chunks, groups: u64::from(chunks) * blocks, ..own })
    }
}

/// Number of chunks of a batch in parts of the shape `part`, the last of which may have fewer images. Each part is cut
/// into chunks from its own start.
pub fn chunks_of(whole: Nhwc, part: Nhwc) -> u32 {
    let (full, rest) = (whole.n / part.n.max(1), whole.n % part.n.max(1));
    let last = Nhwc { n: rest, ..part };
    let of = |x: Nhwc| Chunking::like(x, part).map_or(0, |cut| cut.chunks);
    full * of(part) + if rest > 0 { of(last) } else { 0 }
}

/// Number of chunks that a batch is cut into, each a row of the first stage's output; 0 for a shape that no plan
/// accepts.
pub fn chunks(x: Nhwc) -> u32 {
    Chunking::of(x).map_or(0, |cut| cut.chunks)
}

/// Bytes of per-chunk results: `rows` vectors of C channels, padded, per chunk.
pub(crate) fn partial_bytes(x: Nhwc, chunks: u32, rows: u64) -> u64 {
    u64::from(chunks) * rows * u64::from(x.c4()) * 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_pixel_none_is_empty_and_loops_stay_short() {
        for (n, h, w, c) in [
            (1, 1, 1, 1),
            (1, 16, 16, 3),
            (1, 257, 1, 33),
            (64, 32, 32, 64),
            (256, 32, 32, 64),
            (2816, 32, 32, 64),
            (1 << 10, 1 << 10, 1 << 9, 3),
            (64, 4, 4, 1024),
        ] {
            let x = Nhwc::new(n, h, w, c);
            let cut = Chunking::of(x).unwrap();
            let (chunk, chunks) = (u64::from(cut.chunk), u64::from(cut.chunks));
            let pixels = u64::from(x.pixels());
            assert!(chunk * chunks >= pixels && chunk * (chunks - 1) < pixels, "{x}: {cut:?}");
            let blocks = x.c4().div_ceil(cut.block);
            assert!(cut.groups == chunks * u64::from(blocks) && cut.block.is_power_of_two());
            // Turns of the smallest workgroup, 32 lanes, in both stages.
            assert!(cut.chunk / (32 / cut.block) < 65_535 && cut.chunks / 32 < 65_535, "{x}");
        }
        assert!(Chunking::of(Nhwc::new(256, 32, 32, 64)).unwrap().groups >= 1024);
        assert_eq!(chunks(Nhwc::new(0, 1, 1, 1)), 0);
    }
}
