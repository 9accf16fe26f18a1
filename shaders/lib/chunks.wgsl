// Reductions over pixels, first stage: a workgroup takes one chunk of pixels and one block of
// channel groups; lane l has channel group l % block and every (WG_SIZE / block)-th pixel, so that
// neighbouring lanes read neighbouring memory. The host decides the sizes
// (src/kernels/reduce/chunking.rs).

struct ChunkParams {
    pixels: u32, // N H W
    c: u32,      // channels without padding
    chunk: u32,  // pixels per chunk
    block: u32,  // channel groups per workgroup, a power of two
}

@group(0) @binding(0) var<uniform> params: ChunkParams;

struct Chunk {
    index: u32,   // which chunk
    pixels: u32,  // pixels in it; 0 in a workgroup past the end
    c4: u32,      // this lane's channel group
    writes: bool, // whether this lane stores the chunk's result for c4
    first: u32,   // this lane's pixels: first, first + step, ... below end
    step: u32,
    end: u32,
}

// `chunk` pixels per chunk, `block` (a power of two) channel groups per workgroup.
fn chunk_of(index: u32, lane: u32, pixels: u32, c4s: u32, chunk: u32, block: u32) -> Chunk {
    let blocks = (c4s + block - 1u) / block;
    let k = index / blocks;
    let c4 = index % blocks * block + lane % block;
    let start = min(k * chunk, pixels);
    let end = min(start + chunk, pixels);
    let real = c4 < c4s && start < end;
    return Chunk(
        k,
        end - start,
        c4,
        real && lane < block,
        start + lane / block,
        WG_SIZE / block,
        select(0u, end, real),
    );
}
