// The uniform block of the multiply-adds that a benchmark measures.

struct BenchFmaParams {
    len: u32,
    turns: u32,
    factor: f32,
    step: f32,
}

@group(0) @binding(0) var<uniform> params: BenchFmaParams;

fn items() -> u32 {
    return params.len;
}
