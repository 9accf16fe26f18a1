// The uniform block of the matrix products that a benchmark measures.

struct BenchMatrixParams {
    blocks: u32,
    turns: u32,
}

@group(0) @binding(0) var<uniform> params: BenchMatrixParams;
